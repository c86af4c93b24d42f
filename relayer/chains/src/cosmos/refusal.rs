//! The contract's own words out of what the SDK wraps around them.

/// `failed to execute message; message index: 0: <words>: execute wasm contract failed [file.go:1] with gas used: '1': …`
pub(super) fn words(log: &str) -> String {
    let mut text = log;
    // submessages and the query service wrap once more each: take off what is there
    if let Some((_, rest)) = text.split_once("message index: ") {
        text = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(": ");
    }
    for wrapping in ["rpc error: code = Unknown desc = ", "codespace wasm code 5: ", "dispatch: ", "submessages: "] {
        text = text.strip_prefix(wrapping).unwrap_or(text);
    }
    for wrapping in ["execute", "instantiate", "query", "migrate", "reply"] {
        if let Some((words, _)) = text.split_once(&format!(": {wrapping} wasm contract failed")) {
            text = words;
        }
    }
    // cosmwasm-std's own errors say their kind before, and where they came from below
    if let Some((_, words)) = text.strip_prefix("kind: ").and_then(|rest| rest.split_once(", error: ")) {
        text = words;
    }
    let text = text.split_once("\nbacktrace").map_or(text, |(words, _)| words);
    text.strip_prefix("Error parsing into type ")
        .map_or_else(|| text.trim().into(), |rest| format!("bad message: {rest}"))
}

/// Whether the chain says no, and not a node that it cannot answer. The words are all there is to tell them apart by: every
/// error of a simulation comes with the same code.
pub(super) fn is_refusal(log: &str) -> bool {
    [
        "message index: ",
        "wasm contract failed",
        "account sequence mismatch",
        "insufficient f",
        "not found",
        "no such contract",
    ]
    .iter()
    .any(|words| log.contains(words))
}

/// `account sequence mismatch, expected 7, got 5: incorrect account sequence`
pub(super) fn expected_sequence(log: &str) -> Option<u64> {
    let (_, rest) = log.split_once("account sequence mismatch, expected ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contracts_words_remain() {
        let words_of = [
            "failed to execute message; message index: 0: it is late: execute wasm contract failed",
            "rpc error: code = Unknown desc = failed to execute message; message index: 0: it is late: execute wasm contract failed [CosmWasm/wasmd@v0.61.14/x/wasm/keeper/keeper.go:432] with gas used: '7': unknown request",
            "failed to execute message; message index: 3: dispatch: submessages: it is late: execute wasm contract failed",
            "it is late: query wasm contract failed",
            "kind: Other, error: it is late\nbacktrace:\ndisabled: query wasm contract failed: query wasm contract failed",
        ];
        for log in words_of {
            assert_eq!(words(log), "it is late", "{log}");
        }
        assert_eq!(words("spendable balance 0x is smaller"), "spendable balance 0x is smaller");
    }

    #[test]
    fn a_nodes_trouble_is_no_refusal() {
        let refusals = [
            "failed to execute message; message index: 0: it is late: execute wasm contract failed",
            "failed to execute message; message index: 0: spendable balance 0x is smaller than 5x: insufficient funds",
            "rpc error: code = NotFound desc = account wasm1 not found: key not found",
            "account sequence mismatch, expected 7, got 5: incorrect account sequence",
            "execution 00 is not known: query wasm contract failed",
            "address wasm1: no such contract: unknown request",
        ];
        let troubles = [
            "failed to load state at height 5; version does not exist (latest height: 3): invalid request",
            "context deadline exceeded",
            "panic message redacted to hide potentially sensitive system info: panic",
            "rpc error: code = Unavailable desc = connection refused",
        ];
        assert!(refusals.into_iter().all(is_refusal));
        assert!(!troubles.into_iter().any(is_refusal));
    }

    #[test]
    fn the_sequence_is_read() {
        assert_eq!(expected_sequence("account sequence mismatch, expected 12, got 5: incorrect"), Some(12));
        assert_eq!(expected_sequence("insufficient fees"), None);
    }
}
