//! What evidence names: many short names, which are kept in one text.

use std::fmt;

/// Names in order, each once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entities {
    /// All of them, one behind the other.
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Entities {
    /// Names that are in order already, each once; together they must have less than 4 GB, and what is beyond is left out.
    pub(super) fn of_sorted<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Self {
        let mut text = String::with_capacity(names.clone().map(str::len).sum());
        let ends = names.map_while(|name| {
            text.push_str(name);
            u32::try_from(text.len()).ok()
        });
        Self { ends: ends.collect(), text }
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|at| self.name(at))
    }

    /// Whether a name is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let places = 0..self.ends.len();
        let (mut first, mut end) = (places.start, places.end);
        while first < end {
            let middle = usize::midpoint(first, end);
            match self.name(middle).cmp(&Some(name)) {
                std::cmp::Ordering::Less => first = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => end = middle,
            }
        }
        false
    }

    /// How many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(self.ends.as_slice())
    }

    fn name(&self, at: usize) -> Option<&str> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.text.get(start as usize..*self.ends.get(at)? as usize)
    }
}

impl<'n> FromIterator<&'n str> for Entities {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self::of_sorted(names.into_iter())
    }
}

impl fmt::Debug for Entities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    proptest::proptest! {
        #[test]
        fn they_are_a_set(names in proptest::collection::vec("[a-cé]{0,3}", 0..12), other in "[a-cé]{0,3}") {
            let set: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let entities: Entities = names.iter().map(String::as_str).collect();
            proptest::prop_assert!(entities.iter().eq(set.iter().copied()));
            proptest::prop_assert_eq!(entities.contains(&other), set.contains(other.as_str()));
            proptest::prop_assert!(names.iter().all(|name| entities.contains(name)));
            proptest::prop_assert_eq!(format!("{entities:?}"), format!("{set:?}"));
        }
    }
}
