//! Pictures: to files, from files, and how far two of them are apart.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

/// A colour with its opacity.
pub type Pixel = [u8; 4];

/// How far a channel may be off in a picture that is kept, of 255. No eye sees it, and the files become a third.
const PALETTE_TOLERANCE: u8 = 6;

/// From where on a channel is different, of 255: beyond [`PALETTE_TOLERANCE`] and what another rounding does to the edge
/// of a letter.
const CHANNEL_TOLERANCE: u8 = PALETTE_TOLERANCE + 8;

/// Rows of pixels, from the top.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<Pixel>,
}

/// Where two pictures of one size differ.
pub struct Difference {
    /// How many pixels do.
    pub count: usize,
    /// The first picture, paled, with these pixels in red.
    pub picture: Picture,
}

impl Picture {
    /// Writes a PNG: with a palette where [`PALETTE_TOLERANCE`] allows one, and without opacity where there is none.
    pub fn save(&self, path: &Path) {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder can be made");
        }
        let file = File::create(path);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.width, self.height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        // A window is made of equal runs, which a filter only hides.
        encoder.set_filter(png::Filter::NoFilter);
        let opaque = self.pixels.iter().all(|pixel| pixel[3] == u8::MAX);
        let bytes = match self.palette().filter(|_| opaque) {
            Some((palette, numbers)) => {
                encoder.set_color(png::ColorType::Indexed);
                encoder.set_palette(
                    palette.iter().flat_map(|p| [p[0], p[1], p[2]]).collect::<Vec<_>>(),
                );
                self.pixels.iter().map(|pixel| numbers[pixel]).collect()
            }
            None if opaque => {
                encoder.set_color(png::ColorType::Rgb);
                self.pixels.iter().flat_map(|p| [p[0], p[1], p[2]]).collect::<Vec<_>>()
            }
            None => {
                encoder.set_color(png::ColorType::Rgba);
                self.pixels.iter().flatten().copied().collect()
            }
        };
        let mut writer = encoder.write_header().expect("the file takes a header");
        writer.write_image_data(&bytes).expect("the file takes the pixels");
        writer.finish().expect("the file takes its end");
    }

    /// Reads a PNG; `None` if there is no such file.
    pub fn load(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut decoder = png::Decoder::new(BufReader::new(file));
        decoder.set_transformations(png::Transformations::ALPHA | png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut bytes =
            vec![0; reader.output_buffer_size().expect("a picture that fits into memory")];
        let info = reader.next_frame(&mut bytes).expect("a whole picture");
        let pixels = bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect();
        Some(Self { width: info.width, height: info.height, pixels })
    }

    /// Where another picture of the same size differs from this one by more than a rounding.
    pub fn difference(&self, other: &Self) -> Difference {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let differs = |(a, b): (&Pixel, &Pixel)| distance(*a, *b) > CHANNEL_TOLERANCE;
        let marks: Vec<bool> = self.pixels.iter().zip(&other.pixels).map(differs).collect();
        let pale = |channel: u8| 192 + channel / 4;
        let mark = |(pixel, marked): (&Pixel, &bool)| match marked {
            true => [255, 0, 0, 255],
            false => [pale(pixel[0]), pale(pixel[1]), pale(pixel[2]), 255],
        };
        let pixels = self.pixels.iter().zip(&marks).map(mark).collect();
        Difference {
            count: marks.iter().filter(|marked| **marked).count(),
            picture: Self { width: self.width, height: self.height, pixels },
        }
    }

    /// At most 256 colours, and which of them each colour becomes: the most frequent ones stay as they are, others
    /// become the first that is near enough.
    fn palette(&self) -> Option<(Vec<Pixel>, HashMap<Pixel, u8>)> {
        let mut counts: HashMap<Pixel, usize> = HashMap::new();
        self.pixels.iter().for_each(|pixel| *counts.entry(*pixel).or_default() += 1);
        let mut colours: Vec<(Pixel, usize)> = counts.into_iter().collect();
        // Equal counts are ordered too, so that the same picture always becomes the same file.
        colours.sort_unstable_by_key(|(pixel, count)| (Reverse(*count), *pixel));
        let (mut palette, mut numbers) = (Vec::<Pixel>::new(), HashMap::new());
        for (colour, _) in colours {
            let is_near = |kept: &Pixel| distance(*kept, colour) <= PALETTE_TOLERANCE;
            let at = palette.iter().position(is_near).unwrap_or_else(|| {
                palette.push(colour);
                palette.len() - 1
            });
            numbers.insert(colour, u8::try_from(at).ok()?);
        }
        Some((palette, numbers))
    }
}

/// By how much the channel that differs most does.
fn distance(a: Pixel, b: Pixel) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap_or_default()
}
