//! Names of the tags that cards and terminals write into DE55, for people. EMV Book 3, annex A, and the
//! contactless kernels; a dialect may give a tag another name.

/// In order of the tags.
#[rustfmt::skip]
const NAMES: &[(&[u8], &str)] = &[
    (&[0x42], "issuer identification number"),
    (&[0x4F], "application identifier, card"),
    (&[0x50], "application label"),
    (&[0x56], "track 1 data"),
    (&[0x57], "track 2 equivalent data"),
    (&[0x5A], "application primary account number"),
    (&[0x5F, 0x20], "cardholder name"),
    (&[0x5F, 0x24], "application expiration date"),
    (&[0x5F, 0x25], "application effective date"),
    (&[0x5F, 0x28], "issuer country code"),
    (&[0x5F, 0x2A], "transaction currency code"),
    (&[0x5F, 0x2D], "language preference"),
    (&[0x5F, 0x30], "service code"),
    (&[0x5F, 0x34], "application PAN sequence number"),
    (&[0x5F, 0x36], "transaction currency exponent"),
    (&[0x61], "application template"),
    (&[0x6F], "file control information template"),
    (&[0x70], "record template"),
    (&[0x71], "issuer script template 1"),
    (&[0x72], "issuer script template 2"),
    (&[0x77], "response message template, format 2"),
    (&[0x80], "response message template, format 1"),
    (&[0x82], "application interchange profile"),
    (&[0x84], "dedicated file name"),
    (&[0x86], "issuer script command"),
    (&[0x87], "application priority indicator"),
    (&[0x88], "short file identifier"),
    (&[0x89], "authorization code"),
    (&[0x8A], "authorization response code"),
    (&[0x8C], "card risk management data object list 1"),
    (&[0x8D], "card risk management data object list 2"),
    (&[0x8E], "cardholder verification method list"),
    (&[0x8F], "certification authority public key index"),
    (&[0x91], "issuer authentication data"),
    (&[0x94], "application file locator"),
    (&[0x95], "terminal verification results"),
    (&[0x98], "transaction certificate hash value"),
    (&[0x99], "transaction PIN data"),
    (&[0x9A], "transaction date"),
    (&[0x9B], "transaction status information"),
    (&[0x9C], "transaction type"),
    (&[0x9D], "directory definition file name"),
    (&[0x9F, 0x01], "acquirer identifier"),
    (&[0x9F, 0x02], "amount, authorized"),
    (&[0x9F, 0x03], "amount, other"),
    (&[0x9F, 0x06], "application identifier, terminal"),
    (&[0x9F, 0x07], "application usage control"),
    (&[0x9F, 0x08], "application version number, card"),
    (&[0x9F, 0x09], "application version number, terminal"),
    (&[0x9F, 0x0D], "issuer action code, default"),
    (&[0x9F, 0x0E], "issuer action code, denial"),
    (&[0x9F, 0x0F], "issuer action code, online"),
    (&[0x9F, 0x10], "issuer application data"),
    (&[0x9F, 0x11], "issuer code table index"),
    (&[0x9F, 0x12], "application preferred name"),
    (&[0x9F, 0x15], "merchant category code"),
    (&[0x9F, 0x16], "merchant identifier"),
    (&[0x9F, 0x1A], "terminal country code"),
    (&[0x9F, 0x1B], "terminal floor limit"),
    (&[0x9F, 0x1C], "terminal identification"),
    (&[0x9F, 0x1E], "interface device serial number"),
    (&[0x9F, 0x1F], "track 1 discretionary data"),
    (&[0x9F, 0x20], "track 2 discretionary data"),
    (&[0x9F, 0x21], "transaction time"),
    (&[0x9F, 0x26], "application cryptogram"),
    (&[0x9F, 0x27], "cryptogram information data"),
    (&[0x9F, 0x33], "terminal capabilities"),
    (&[0x9F, 0x34], "cardholder verification method results"),
    (&[0x9F, 0x35], "terminal type"),
    (&[0x9F, 0x36], "application transaction counter"),
    (&[0x9F, 0x37], "unpredictable number"),
    (&[0x9F, 0x39], "point of service entry mode"),
    (&[0x9F, 0x40], "additional terminal capabilities"),
    (&[0x9F, 0x41], "transaction sequence counter"),
    (&[0x9F, 0x42], "application currency code"),
    (&[0x9F, 0x45], "data authentication code"),
    (&[0x9F, 0x4C], "integrated circuit card dynamic number"),
    (&[0x9F, 0x53], "transaction category code"),
    (&[0x9F, 0x5B], "issuer script results"),
    (&[0x9F, 0x63], "card product identification"),
    (&[0x9F, 0x6B], "track 2 data, contactless"),
    (&[0x9F, 0x6C], "card transaction qualifiers"),
    (&[0x9F, 0x6E], "form factor indicator or third party data"),
    (&[0x9F, 0x7C], "customer exclusive data"),
    (&[0xBF, 0x0C], "file control information, issuer discretionary data"),
];

/// What people call a tag; `None` for one that is not known here.
pub(crate) fn name(tag: &[u8]) -> Option<&'static str> {
    let place = NAMES.binary_search_by_key(&tag, |(known, _)| known).ok()?;
    NAMES.get(place).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_in_order_and_found_by_their_bytes() {
        assert!(NAMES.is_sorted_by_key(|(tag, _)| *tag));
        assert_eq!(name(&[0x9F, 0x26]), Some("application cryptogram"));
        assert_eq!(name(&[0x95]), Some("terminal verification results"));
        assert_eq!(name(&[0x9F]), None);
    }
}
