//! STANs and RRNs.
