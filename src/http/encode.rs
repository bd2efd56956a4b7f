//! From a document to the bytes of a body: written piece by piece, compressed if it is large and the client understands
//! that, and never larger than an answer may be.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// Bytes from which on a body is compressed. Smaller ones fit a few packets, and are most.
const COMPRESSED_FROM: usize = 16 * 1024;

/// Bytes that are looked at together.
const PIECE: usize = 512;

/// The bytes of a body.
#[derive(Debug)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub is_gzip: bool,
    /// Whether it is so large that it is compressed for those who take that.
    pub is_large: bool,
}

/// The body would be larger than an answer may be.
#[derive(Debug)]
pub struct TooLarge;

/// Encodes a document. `limit` is what Lambda may send of it, in bytes: compressed bytes are sent in base64, others as a
/// JSON string, in which a quote takes two.
///
/// # Errors
///
/// [`TooLarge`] past the limit; no more is held then.
pub fn encode(document: &impl Serialize, accepts_gzip: bool, limit: usize) -> Result<Encoded, TooLarge> {
    let sink = Sink { accepts_gzip, limit, escapes: 0, counted: 0, out: Out::Plain(Vec::new()) };
    // JSON comes in pieces of some bytes each.
    let mut buffered = BufWriter::with_capacity(PIECE, sink);
    serde_json::to_writer(&mut buffered, document).map_err(|_| TooLarge)?;
    match buffered.into_inner().map_err(|_| TooLarge)?.out {
        Out::Plain(bytes) => Ok(Encoded { is_large: bytes.len() > COMPRESSED_FROM, bytes, is_gzip: false }),
        Out::Gzip(encoder) => {
            let bytes = encoder.finish().map_err(|_| TooLarge)?;
            if base64_length(bytes.len()) > limit {
                Err(TooLarge)
            } else {
                Ok(Encoded { bytes, is_gzip: true, is_large: true })
            }
        }
    }
}

/// Whether the client takes a compressed answer (RFC 9110 section 12.5.3).
pub fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
        (name, weight.unwrap_or(1.0))
    });
    codings.any(|(name, weight)| matches!(name.as_str(), "gzip" | "x-gzip") && weight > 0.0)
}

fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

struct Sink {
    accepts_gzip: bool,
    limit: usize,
    /// Bytes that take two in a JSON string, of the first `counted`. They are counted where it could matter.
    escapes: usize,
    counted: usize,
    out: Out,
}

enum Out {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::Plain(bytes) => {
                bytes.extend_from_slice(text);
                if self.accepts_gzip && bytes.len() > COMPRESSED_FROM.min(self.limit / 2) {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                    encoder.write_all(bytes)?;
                    self.out = Out::Gzip(encoder);
                } else if bytes.len() > self.limit / 2 {
                    self.escapes += bytes[self.counted..].iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
                    self.counted = bytes.len();
                    if bytes.len() + self.escapes > self.limit {
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                }
            }
            Out::Gzip(encoder) => {
                encoder.write_all(text)?;
                if base64_length(encoder.get_ref().len()) > self.limit {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
            }
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    #[test]
    fn a_large_body_is_compressed_for_those_who_take_it() {
        let document = vec!["0123456789"; 10_000];
        let plain = serde_json::to_vec(&document).unwrap();
        let encoded = encode(&document, false, usize::MAX).unwrap();
        assert!(!encoded.is_gzip && encoded.bytes == plain);
        let encoded = encode(&document, true, usize::MAX).unwrap();
        let mut text = Vec::new();
        GzDecoder::new(&encoded.bytes[..]).read_to_end(&mut text).unwrap();
        assert!(encoded.is_gzip && text == plain && encoded.bytes.len() < plain.len() / 10);
        assert!(!encode(&"small", true, usize::MAX).unwrap().is_gzip);
    }

    #[test]
    fn the_limit_counts_what_is_sent() {
        // ["ab","ab"] has 11 bytes, four of which are quotes.
        assert!(encode(&["ab", "ab"], false, 15).is_ok());
        assert!(encode(&["ab", "ab"], false, 14).is_err());
        let document = vec!["0123456789"; 10_000];
        let sent = base64_length(encode(&document, true, usize::MAX).unwrap().bytes.len());
        assert!(encode(&document, true, sent).is_ok());
        assert!(encode(&document, true, sent - 1).is_err());
    }

    #[test]
    fn gzip_is_used_only_when_it_is_accepted() {
        let cases = [
            (None, false),
            (Some("gzip, deflate, br"), true),
            (Some("br;q=1.0, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("identity"), false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(accepts_gzip(&headers), expected, "{value:?}");
        }
    }
}
