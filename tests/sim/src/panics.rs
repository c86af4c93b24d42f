//! A panic anywhere in a run, in whatever task, is a violation: tokio and the supervisors would live on with it.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on panics are kept, for each thread apart: a run has one thread, and a thread one run.
pub fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            SEEN.with_borrow_mut(|seen| seen.push(info.to_string().replace('\n', " ")));
            before(info);
        }));
    });
}

/// Those of this thread since they were last taken.
pub fn taken() -> Vec<String> {
    SEEN.with_borrow_mut(std::mem::take)
}
