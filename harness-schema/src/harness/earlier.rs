//! What a harness had before, found by id: mostly in the same order as now.

use rustc_hash::FxHashMap;

/// Values with ids, of the harness before.
pub(super) struct Earlier<'a, T> {
    all: &'a [T],
    id: fn(&T) -> &str,
    /// Where the next one is looked for first.
    next: usize,
    /// Made once one is not where it is looked for.
    by_id: Option<FxHashMap<&'a str, usize>>,
}

impl<'a, T> Earlier<'a, T> {
    pub(super) fn new(all: &'a [T], id: fn(&T) -> &str) -> Self {
        Self { all, id, next: 0, by_id: None }
    }

    /// One with this id. Asked for in the order of before, each costs one comparison.
    pub(super) fn find(&mut self, id: &str) -> Option<&'a T> {
        let is_next = self.all.get(self.next).is_some_and(|next| (self.id)(next) == id);
        let at = if is_next {
            self.next
        } else {
            let (all, id_of) = (self.all, self.id);
            let by_id = self.by_id.get_or_insert_with(|| {
                all.iter().enumerate().map(|(at, value)| (id_of(value), at)).collect()
            });
            *by_id.get(id)?
        };
        self.next = at + 1;
        self.all.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_or_not_each_is_found_by_its_id() {
        let all = ["a", "b", "c", "d"];
        let mut earlier = Earlier::new(&all, |id| id);
        for id in ["a", "b", "x", "d", "c", "d", "a", "y"] {
            assert_eq!(earlier.find(id).copied(), all.into_iter().find(|known| *known == id));
        }
    }
}
