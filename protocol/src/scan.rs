//! Whether bytes are one MessagePack value, decided before anything is made of them.
//!
//! After this the announced lengths are true, all text is UTF-8 and nothing nests deeply, so that
//! reading the fields needs no guard against any of it. The scan neither allocates nor recurses.

use crate::frame::DecodeError;
use crate::limits::NESTING_MAX;

const LEVELS: usize = NESTING_MAX as usize + 1;

/// Checks that `body` is exactly one MessagePack value, nested at most [`NESTING_MAX`] deep.
///
/// # Errors
/// [`DecodeError::NotMessagePack`] or [`DecodeError::TrailingBytes`].
pub(crate) fn check_value(body: &[u8]) -> Result<(), DecodeError> {
    let mut rest = Rest(body);
    // How many values are still to come at each level; level 0 is the one value of the frame.
    let mut left = [0_u64; LEVELS];
    let mut level = 0;
    left[0] = 1;
    loop {
        while left[level] == 0 {
            if level == 0 {
                return if rest.0.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) };
            }
            level -= 1;
        }
        left[level] -= 1;
        if let Some(values) = rest.skip_value()? {
            level += 1;
            if level == LEVELS {
                return Err(not_messagepack("nested too deeply"));
            }
            left[level] = values;
        }
    }
}

/// What has not been scanned yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Skips one value; of an array or a map only the head, returning how many values are in it.
    fn skip_value(&mut self) -> Result<Option<u64>, DecodeError> {
        match self.take(1)?[0] {
            head @ 0x80..=0x8f => return Ok(Some(u64::from(head & 0x0f) * 2)),
            head @ 0x90..=0x9f => return Ok(Some(u64::from(head & 0x0f))),
            0xdc => return self.length(2).map(Some),
            0xdd => return self.length(4).map(Some),
            0xde => return self.length(2).map(|pairs| Some(pairs * 2)),
            0xdf => return self.length(4).map(|pairs| Some(pairs * 2)),
            head @ 0xa0..=0xbf => self.skip_text(u64::from(head & 0x1f))?,
            head @ 0xd9..=0xdb => {
                let bytes = self.length(1 << (head - 0xd9))?;
                self.skip_text(bytes)?;
            }
            head @ 0xc4..=0xc6 => {
                let bytes = self.length(1 << (head - 0xc4))?;
                self.take(bytes)?;
            }
            head @ 0xc7..=0xc9 => {
                let bytes = self.length(1 << (head - 0xc7))?;
                self.take(1 + bytes)?;
            }
            // The fixext: a type, then 1, 2, 4, 8 or 16 bytes.
            head @ 0xd4..=0xd8 => drop(self.take(1 + (1 << (head - 0xd4)))?),
            0xcc | 0xd0 => drop(self.take(1)?),
            0xcd | 0xd1 => drop(self.take(2)?),
            0xca | 0xce | 0xd2 => drop(self.take(4)?),
            0xcb | 0xcf | 0xd3 => drop(self.take(8)?),
            0xc1 => return Err(not_messagepack("the byte 0xc1")),
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => {}
        }
        Ok(None)
    }

    fn skip_text(&mut self, bytes: u64) -> Result<(), DecodeError> {
        match std::str::from_utf8(self.take(bytes)?) {
            Ok(_) => Ok(()),
            Err(_) => Err(not_messagepack("a str that is not UTF-8")),
        }
    }

    fn length(&mut self, bytes: u64) -> Result<u64, DecodeError> {
        Ok(self.take(bytes)?.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)))
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8], DecodeError> {
        let split = usize::try_from(bytes).ok().and_then(|bytes| self.0.split_at_checked(bytes));
        let (taken, rest) = split.ok_or_else(|| not_messagepack("the value is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
}

fn not_messagepack(why: &str) -> DecodeError {
    DecodeError::NotMessagePack(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_takes_what_the_messagepack_specification_says() {
        // The head, its length bytes, and how many bytes follow these, for a value of length 3.
        let rows: &[(u8, &[u8], usize)] = &[
            (0x00, &[], 0),
            (0x7f, &[], 0),
            (0xa3, &[], 3),
            (0xc0, &[], 0),
            (0xc2, &[], 0),
            (0xc3, &[], 0),
            (0xc4, &[3], 3),
            (0xc5, &[0, 3], 3),
            (0xc6, &[0, 0, 0, 3], 3),
            (0xc7, &[3], 4),
            (0xc8, &[0, 3], 4),
            (0xc9, &[0, 0, 0, 3], 4),
            (0xca, &[], 4),
            (0xcb, &[], 8),
            (0xcc, &[], 1),
            (0xcd, &[], 2),
            (0xce, &[], 4),
            (0xcf, &[], 8),
            (0xd0, &[], 1),
            (0xd1, &[], 2),
            (0xd2, &[], 4),
            (0xd3, &[], 8),
            (0xd4, &[], 2),
            (0xd5, &[], 3),
            (0xd6, &[], 5),
            (0xd7, &[], 9),
            (0xd8, &[], 17),
            (0xd9, &[3], 3),
            (0xda, &[0, 3], 3),
            (0xdb, &[0, 0, 0, 3], 3),
            (0x93, &[], 3),
            (0xdc, &[0, 3], 3),
            (0xdd, &[0, 0, 0, 3], 3),
            (0x83, &[], 6),
            (0xde, &[0, 3], 6),
            (0xdf, &[0, 0, 0, 3], 6),
            (0xe0, &[], 0),
            (0xff, &[], 0),
        ];
        for (head, length, follow) in rows {
            let value = [&[*head], *length, &vec![0; *follow]].concat();
            assert_eq!(check_value(&value), Ok(()), "{value:02x?}");
            assert_eq!(check_value(&[&value[..], &[0]].concat()), Err(DecodeError::TrailingBytes));
            for cut in 0..value.len() {
                let error = check_value(&value[..cut]);
                assert!(
                    matches!(error, Err(DecodeError::NotMessagePack(_))),
                    "{value:02x?} at {cut}"
                );
            }
        }
    }

    #[test]
    fn nesting_is_limited_as_documented() {
        let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
        assert_eq!(check_value(&nested(NESTING_MAX.into())), Ok(()));
        let error = check_value(&nested(usize::from(NESTING_MAX) + 1));
        assert_eq!(error, Err(not_messagepack("nested too deeply")));
    }
}
