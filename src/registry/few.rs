//! Lists that mostly hold one thing or none: there are many of them.

use std::ops::Deref;

/// A list in 16 bytes, which allocates from the second element on.
#[derive(Debug, Default)]
pub(super) enum Few<T> {
    #[default]
    None,
    One(T),
    #[expect(
        clippy::box_collection,
        reason = "a vector by itself would take more than one element"
    )]
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    /// Inserts at a place, as [`Vec::insert`] does.
    pub(super) fn insert(&mut self, at: usize, value: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(value),
            Self::One(one) => {
                let mut many = vec![one];
                many.insert(at, value);
                Self::Many(Box::new(many))
            }
            Self::Many(mut many) => {
                many.insert(at, value);
                Self::Many(many)
            }
        };
    }

    /// Appends.
    pub(super) fn push(&mut self, value: T) {
        self.insert(self.len(), value);
    }

    /// Keeps what is to be kept, in order.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        *self = std::mem::take(self).into_vec().into_iter().filter(keep).collect();
    }

    fn into_vec(self) -> Vec<T> {
        match self {
            Self::None => Vec::new(),
            Self::One(one) => vec![one],
            Self::Many(many) => *many,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut few = Self::None;
        values.into_iter().for_each(|value| few.push(value));
        few
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_like_a_vector() {
        let (mut few, mut vec) = (Few::default(), Vec::new());
        for (at, value) in [(0, 3), (0, 1), (1, 2), (3, 4)] {
            few.insert(at, value);
            vec.insert(at, value);
            assert_eq!(*few, vec[..]);
        }
        few.push(5);
        few.retain(|value| value % 2 == 1);
        assert_eq!(*few, [1, 3, 5]);
        few.retain(|value| *value == 3);
        assert!(matches!(few, Few::One(3)));
        few.retain(|_| false);
        assert!(few.is_empty());
    }

    #[test]
    fn few_take_two_words() {
        assert_eq!(size_of::<Few<u64>>(), 16);
    }
}
