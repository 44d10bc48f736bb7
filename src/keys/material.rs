//! Public numbers of keys, from their encodings.

use super::PublicMaterial;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, A.1.1).
pub(super) fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let read = |reader: &mut SliceReader<'_>| -> Result<_, x509_cert::der::Error> {
        reader.sequence(|inner| {
            let modulus = UintRef::decode(inner)?.as_bytes().to_vec();
            let exponent = UintRef::decode(inner)?.as_bytes().to_vec();
            Ok::<_, x509_cert::der::Error>((modulus, exponent))
        })
    };
    read(&mut SliceReader::new(der).ok()?).ok()
}

/// The coordinates of an uncompressed point (SEC 1, 2.3.3): 04, x, y.
pub(super) fn point_material(point: &[u8]) -> Option<PublicMaterial> {
    let (x, y) = point.get(1..)?.split_at_checked(32)?;
    Some(PublicMaterial::P256 { x: x.to_vec(), y: y.to_vec() })
}
