//! A storage whose copies cost nothing until they are written: one for each block, so that a node can be behind.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use cosmwasm_std::{Order, Record, Storage};

#[derive(Clone, Default)]
pub struct Shelf(Arc<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Storage for Shelf {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn range<'a>(
        &'a self,
        start: Option<&[u8]>,
        end: Option<&[u8]>,
        order: Order,
    ) -> Box<dyn Iterator<Item = Record> + 'a> {
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            return Box::new(std::iter::empty());
        }
        let from = start.map_or(Bound::Unbounded, Bound::Included);
        let to = end.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.0.range::<[u8], _>((from, to)).map(|(key, value)| (key.clone(), value.clone()));
        match order {
            Order::Ascending => Box::new(entries),
            Order::Descending => Box::new(entries.rev()),
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        Arc::make_mut(&mut self.0).insert(key.to_vec(), value.to_vec());
    }

    fn remove(&mut self, key: &[u8]) {
        Arc::make_mut(&mut self.0).remove(key);
    }
}
