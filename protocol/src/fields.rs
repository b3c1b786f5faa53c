//! Reading `[op, field, field, ...]` as the protocol wants it: a missing trailing field has a
//! default, an extra one is skipped, text is `str`, and no list reserves what it only announces.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use crate::limits::LIST_ELEMENTS_MAX;

/// The fields of one array, read in order.
pub(crate) struct Fields<A>(pub(crate) A);

impl<'de, A: SeqAccess<'de>> Fields<A> {
    /// The next field, an error if the array has ended.
    pub(crate) fn required<T: Deserialize<'de>>(&mut self, name: &str) -> Result<T, A::Error> {
        self.0.next_element()?.ok_or_else(|| A::Error::custom(format_args!("no field {name}")))
    }

    /// The next field, `default` if the array has ended.
    pub(crate) fn or<T: Deserialize<'de>>(&mut self, default: T) -> Result<T, A::Error> {
        Ok(self.0.next_element()?.unwrap_or(default))
    }

    /// Skips what a newer writer appended.
    pub(crate) fn finish(mut self) -> Result<(), A::Error> {
        while self.0.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A `str` borrowed from the frame. `bin` is refused, even where it holds UTF-8.
#[derive(Clone, Copy)]
pub(crate) struct Str<'de>(pub(crate) &'de str);

impl<'de> Deserialize<'de> for Str<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a str")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(text))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

/// A `bin` of exactly 16 bytes.
pub(crate) struct Bin16(pub(crate) [u8; 16]);

impl<'de> Deserialize<'de> for Bin16 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BinVisitor;
        impl<'de> Visitor<'de> for BinVisitor {
            type Value = Bin16;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bin of 16 bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Bin16, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(Bin16(bytes))
            }
        }
        deserializer.deserialize_bytes(BinVisitor)
    }
}

/// A list that starts empty and refuses more than [`LIST_ELEMENTS_MAX`] elements.
///
/// serde's own `Vec` reserves up to 1 MiB for an announced length, which five bytes can announce.
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {LIST_ELEMENTS_MAX} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() == LIST_ELEMENTS_MAX {
                        return Err(A::Error::custom("more elements than a frame may hold"));
                    }
                    elements.push(element);
                }
                Ok(List(elements))
            }
        }
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}
