//! `allow.networks`: the networks in which granted hosts may be, although their addresses are not public.

use std::net::IpAddr;

use crate::config::node::Node;
use crate::config::problem::Refused;

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`; an address alone is a network of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = width(address);
        let bits = match bits {
            Some(bits) => bits.parse::<u8>().ok().filter(|value| *value <= width && value.to_string() == bits)?,
            None => width,
        };
        Some(Self { address, bits })
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                shift >= 32 || (network.to_bits() ^ address.to_bits()) >> shift == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                shift >= 128 || (network.to_bits() ^ address.to_bits()) >> shift == 0
            }
            _ => false,
        }
    }

    /// Whether it is this one address and no other.
    #[must_use]
    pub fn is_only(&self, address: IpAddr) -> bool {
        self.bits == width(self.address) && self.address == address
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

pub(super) fn decode(node: &Node) -> Result<Network, Refused> {
    let text = node.scalar().unwrap_or_default();
    Network::parse(&text).ok_or_else(|| {
        Refused::new(
            format!("`networks` holds `{text}`, which is no network"),
            "write an address and the number of its bits that count, such as `10.0.0.0/8` or `fd00::/8`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "192.168.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), inside, "{network}: {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_not_read() {
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "example.com", "::/129", "10.0.0.0/+8", "10.0.0.0/08", ""]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
