//! Reading `[op, field, field, ...]` as the protocol wants it: a missing trailing field has a
//! default, an extra one is skipped, text is `str`, bytes are `bin`, and shape is judged before range.
//!
//! What is read here has passed [`crate::scan`], so lengths are true and nesting is shallow.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::frame::DecodeError;
use crate::limits::{INTEGER_MAX, LIST_ELEMENTS_MAX, METADATA_PAIRS_MAX};
use crate::metadata::{InvalidMetadata, Metadata};

/// The fields of one array, read in order.
pub(crate) struct Fields<A>(A);

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
    fn finish(mut self) -> Result<(), A::Error> {
        while self.0.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A value that is written as an array of fields.
pub(crate) trait FromFields<'de>: Sized {
    /// Reads the fields that this build knows.
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error>;
}

/// An array of fields.
pub(crate) struct Array<T>(pub(crate) T);

impl<'de, T: FromFields<'de>> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor<T>(PhantomData<T>);
        impl<'de, T: FromFields<'de>> Visitor<'de> for ArrayVisitor<T> {
            type Value = Array<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of fields")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Array<T>, A::Error> {
                let mut fields = Fields(seq);
                let value = T::read(&mut fields)?;
                fields.finish()?;
                Ok(Array(value))
            }

            // serde's own error would quote the whole text.
            fn visit_str<E: Error>(self, _: &str) -> Result<Array<T>, E> {
                Err(E::custom("a str instead of an array of fields"))
            }
        }
        // Asked for a sequence, rmp-serde takes a `bin` for an array of small numbers.
        deserializer.deserialize_any(ArrayVisitor(PhantomData))
    }
}

/// A list of at most [`LIST_ELEMENTS_MAX`] elements, or the first rule that it breaks.
pub(crate) struct List<T>(pub(crate) Result<Vec<T>, DecodeError>);

impl<'de, T> Deserialize<'de> for List<T>
where
    Result<T, DecodeError>: FromFields<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T> Visitor<'de> for ListVisitor<T>
        where
            Result<T, DecodeError>: FromFields<'de>,
        {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let len = seq.size_hint().unwrap_or(0);
                let mut list = Ok(Vec::new());
                if len > LIST_ELEMENTS_MAX {
                    list = Err(DecodeError::OutOfRange("the length of a list"));
                }
                while let Some(Array(element)) = seq.next_element::<Array<Result<T, _>>>()? {
                    match (&mut list, element) {
                        (Ok(elements), Ok(element)) => push_towards(len, elements, element),
                        // The first broken rule counts; of what follows only the shape matters.
                        (Ok(_), Err(error)) => list = Err(error),
                        (Err(_), _) => {}
                    }
                }
                Ok(List(list))
            }

            // serde's own error would quote the whole text.
            fn visit_str<E: Error>(self, _: &str) -> Result<List<T>, E> {
                Err(E::custom("a str instead of a list"))
            }
        }
        // Asked for a sequence, rmp-serde takes a `bin` for an array of small numbers.
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Pushes to a list that will have `len` elements if all of them turn out sound.
///
/// The room doubles so that it ends at exactly `len`: an element that was not read yet is not
/// trusted with memory, and a list that is sound wastes none.
fn push_towards<T>(len: usize, elements: &mut Vec<T>, element: T) {
    if elements.len() == elements.capacity() {
        let mut room = len;
        while room > 16 && room.div_ceil(2) > elements.len() {
            room = room.div_ceil(2);
        }
        elements.reserve_exact(room.saturating_sub(elements.len()));
    }
    elements.push(element);
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

/// A list of `str`, each made into a `T` while it is read, or the first error of that; at most
/// [`FromText::MAX`] of them are kept.
pub(crate) struct TextList<T, E>(pub(crate) Result<Vec<T>, TextListError<E>>);

/// Why a list of texts is refused.
pub(crate) enum TextListError<E> {
    /// More than so many.
    TooMany(usize),
    /// An element breaks its rule.
    Element(E),
}

/// What a list of texts is made of.
pub(crate) trait FromText<E>: Sized {
    /// Elements that a list may have.
    const MAX: usize;

    /// One element.
    fn from_text(text: &str) -> Result<Self, E>;
}

impl<'de, T: FromText<E>, E> Deserialize<'de> for TextList<T, E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T, E>(PhantomData<(T, E)>);
        impl<'de, T: FromText<E>, E> Visitor<'de> for ListVisitor<T, E> {
            type Value = TextList<T, E>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of str")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Ok(Vec::new());
                while let Some(Str(text)) = seq.next_element()? {
                    list = match (list, T::from_text(text)) {
                        (Ok(texts), _) if texts.len() == T::MAX => {
                            Err(TextListError::TooMany(T::MAX))
                        }
                        (Ok(mut texts), Ok(text)) => {
                            texts.push(text);
                            Ok(texts)
                        }
                        (Ok(_), Err(error)) => Err(TextListError::Element(error)),
                        (Err(error), _) => Err(error),
                    };
                }
                Ok(TextList(list))
            }

            // serde's own error would quote the whole text.
            fn visit_str<F: Error>(self, _: &str) -> Result<Self::Value, F> {
                Err(F::custom("a str instead of a list"))
            }
        }
        // Asked for a sequence, rmp-serde takes a `bin` for an array of small numbers.
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A map of texts.
pub(crate) struct Pairs {
    /// The metadata, or the first rule that they break.
    pub(crate) metadata: Result<Metadata, InvalidMetadata>,
    /// Whether the keys came in ascending order, as a server must write them.
    pub(crate) ascending: bool,
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of str to str")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let (mut pairs, mut count) = (Vec::new(), 0);
                while let Some((Str(key), Str(value))) = map.next_entry()? {
                    count += 1;
                    if count <= METADATA_PAIRS_MAX {
                        pairs.push((key, value));
                    }
                }
                let ascending = pairs.is_sorted_by(|a, b| a.0 < b.0);
                let metadata = match count {
                    0..=METADATA_PAIRS_MAX => Metadata::new(pairs),
                    count => Err(InvalidMetadata::TooMany(count)),
                };
                Ok(Pairs { metadata, ascending })
            }

            // serde's own error would quote the whole text.
            fn visit_str<F: Error>(self, _: &str) -> Result<Pairs, F> {
                Err(F::custom("a str instead of a map"))
            }
        }
        deserializer.deserialize_any(MapVisitor)
    }
}

/// A `bin` of any length, borrowed from the frame.
pub(crate) struct BinRef<'de>(pub(crate) &'de [u8]);

impl<'de> Deserialize<'de> for BinRef<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BinVisitor;
        impl<'de> Visitor<'de> for BinVisitor {
            type Value = BinRef<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bin")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<BinRef<'de>, E> {
                Ok(BinRef(bytes))
            }

            // serde's own error would quote the whole text.
            fn visit_str<E: Error>(self, _: &str) -> Result<BinRef<'de>, E> {
                Err(E::custom("a str instead of a bin"))
            }
        }
        deserializer.deserialize_bytes(BinVisitor)
    }
}

/// A `bin` of 16 bytes, none if it has another length.
pub(crate) struct Bin16(Option<[u8; 16]>);

impl Bin16 {
    /// The bytes, if they are 16.
    pub(crate) fn get(self, what: &'static str) -> Result<[u8; 16], DecodeError> {
        self.0.ok_or(DecodeError::OutOfRange(what))
    }
}

impl<'de> Deserialize<'de> for Bin16 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BinVisitor;
        impl<'de> Visitor<'de> for BinVisitor {
            type Value = Bin16;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bin")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Bin16, E> {
                Ok(Bin16(bytes.try_into().ok()))
            }

            // serde's own error would quote the whole text.
            fn visit_str<E: Error>(self, _: &str) -> Result<Bin16, E> {
                Err(E::custom("a str instead of a bin"))
            }
        }
        deserializer.deserialize_bytes(BinVisitor)
    }
}

/// An integer, none if it is negative or over [`INTEGER_MAX`].
///
/// MessagePack has nine ways to write one; all are accepted, the signed ones too.
#[derive(Clone, Copy)]
pub(crate) struct Uint(Option<u64>);

impl Uint {
    /// `number`, unless some language could not hold it.
    pub(crate) fn new(number: impl TryInto<u64>) -> Self {
        Self(number.try_into().ok().filter(|&number| number <= INTEGER_MAX))
    }

    /// The number, if it is in range.
    pub(crate) fn get(self, what: &'static str) -> Result<u64, DecodeError> {
        self.0.ok_or(DecodeError::OutOfRange(what))
    }

    /// The number, if it fits 32 bits.
    pub(crate) fn narrow(self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.get(what)?).map_err(|_| DecodeError::OutOfRange(what))
    }
}

impl<'de> Deserialize<'de> for Uint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UintVisitor;
        impl Visitor<'_> for UintVisitor {
            type Value = Uint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Uint, E> {
                Ok(Uint::new(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Uint, E> {
                Ok(Uint::new(number))
            }
        }
        deserializer.deserialize_u64(UintVisitor)
    }
}

/// Any value; an integer is kept, of others nothing.
pub(crate) struct UintOrAny(pub(crate) Uint);

impl<'de> Deserialize<'de> for UintOrAny {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const OTHER: UintOrAny = UintOrAny(Uint(None));

        struct AnyVisitor;
        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = UintOrAny;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_u64<E>(self, number: u64) -> Result<UintOrAny, E> {
                Ok(UintOrAny(Uint::new(number)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<UintOrAny, E> {
                Ok(UintOrAny(Uint::new(number)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<UintOrAny, E> {
                Ok(OTHER)
            }

            fn visit_bool<E>(self, _: bool) -> Result<UintOrAny, E> {
                Ok(OTHER)
            }

            fn visit_str<E>(self, _: &str) -> Result<UintOrAny, E> {
                Ok(OTHER)
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<UintOrAny, E> {
                Ok(OTHER)
            }

            fn visit_unit<E>(self) -> Result<UintOrAny, E> {
                Ok(OTHER)
            }

            // An ext type, in rmp-serde's words.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                ext: D,
            ) -> Result<UintOrAny, D::Error> {
                IgnoredAny::deserialize(ext).map(|_| OTHER)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<UintOrAny, A::Error> {
                Fields(seq).finish().map(|()| OTHER)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UintOrAny, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(OTHER)
            }
        }
        deserializer.deserialize_any(AnyVisitor)
    }
}
