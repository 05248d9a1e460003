//! Which addresses a guest's request may reach: public ones, and others only as far as they are granted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use service::config::{Host, Network};

/// What an address is that is not public, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    /// Can be granted.
    Private(&'static str),
    /// Holds the credentials of the machine: granted only by its very address.
    Metadata,
    /// Nobody can be there.
    Never(&'static str),
}

const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(100, 100, 100, 200)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Judges one address of a host. `literal` says that `allow.http` names this very host and not a pattern.
///
/// # Errors
/// What the address is that it may not be reached.
pub(super) fn judge(address: IpAddr, host: &Host, literal: bool, networks: &[Network]) -> Result<(), &'static str> {
    let Some(special) = special(address) else { return Ok(()) };
    let named = literal && *host == Host::Address(address);
    let of_network = || networks.iter().any(|network| network.contains(plain(address)));
    let (granted, why) = match special {
        Special::Never(why) => (false, why),
        Special::Metadata => {
            (named || networks.iter().any(|network| network.is_only(address)), "the machine's metadata service")
        }
        Special::Private(why) => {
            let localhost = literal && *host == Host::Name("localhost".to_owned()) && plain(address).is_loopback();
            (named || localhost || of_network(), why)
        }
    };
    if granted { Ok(()) } else { Err(why) }
}

/// An IPv4 address that is written as an IPv6 one is what it was.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The IPv4 address that is reached by an IPv6 one: mapped, or translated (NAT64).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

fn special(address: IpAddr) -> Option<Special> {
    match plain(address) {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    use Special::{Metadata, Never, Private};
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        _ if METADATA_V4.contains(&address) => Metadata,
        (0, ..) => Never("an address of no host"),
        (127, ..) => Private("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Private("a private address"),
        (100, 64..=127, _) => Private("an address of a carrier's network"),
        (169, 254, _) => Private("a link-local address"),
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => {
            Private("a reserved address")
        }
        (224..=239, ..) => Never("a multicast address"),
        (240.., ..) => Never("a reserved address"),
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    use Special::{Metadata, Never, Private};
    let [a, b, ..] = address.segments();
    Some(match (a, b) {
        _ if address == METADATA_V6 => Metadata,
        _ if address == Ipv6Addr::LOCALHOST => Private("a loopback address"),
        (0xfc00..=0xfdff, _) => Private("a private address"),
        (0xfe80..=0xfebf, _) => Private("a link-local address"),
        (0xff00.., _) => Never("a multicast address"),
        // Tunnels, whose other end an address inside of them says.
        (0x2001, 0) | (0x2002, _) => Private("an address of a tunnel"),
        (0x2001, 0x0db8 | 0x0001..=0x01ff) | (0x3fff, 0..=0x0fff) => Private("a reserved address"),
        (0x2000..=0x3fff, _) => return None,
        _ => Private("an address that is not public"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(address: &str, host: &str, literal: bool, networks: &[&str]) -> Result<(), &'static str> {
        let networks: Vec<Network> = networks.iter().map(|network| Network::parse(network).unwrap()).collect();
        judge(address.parse().unwrap(), &Host::parse(host).unwrap(), literal, &networks)
    }

    #[test]
    fn a_name_reaches_public_addresses_and_no_others() {
        for (address, reached) in [
            ("93.184.215.14", true),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true),
            ("::ffff:93.184.215.14", true),
            ("64:ff9b::5db8:d70e", true),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("169.254.169.254", false),
            ("169.254.0.7", false),
            ("192.0.0.8", false),
            ("198.18.0.1", false),
            ("203.0.113.9", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("240.0.0.1", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b:1::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("fd00:ec2::254", false),
            ("fc00::1", false),
            ("ff02::1", false),
            ("2002:7f00:1::", false),
            ("2001:0:53aa:64c::1", false),
            ("2001:db8::1", false),
            ("100::1", false),
            ("4000::1", false),
        ] {
            assert_eq!(verdict(address, "api.example.com", true, &[]).is_ok(), reached, "{address}");
        }
    }

    #[test]
    fn a_granted_address_localhost_and_networks_open_what_they_name_and_no_more() {
        let metadata = "169.254.169.254";
        for (address, host, literal, networks, reached) in [
            ("127.0.0.1", "127.0.0.1", true, vec![], true),
            ("127.0.0.1", "127.0.0.1", false, vec![], false),
            ("10.0.0.7", "10.0.0.7", true, vec![], true),
            ("127.0.0.1", "localhost", true, vec![], true),
            ("::1", "localhost", true, vec![], true),
            ("10.0.0.7", "localhost", true, vec![], false),
            ("127.0.0.1", "localhost", false, vec![], false),
            ("10.0.0.7", "billing.internal", true, vec!["10.0.0.0/8"], true),
            ("::ffff:10.0.0.7", "billing.internal", true, vec!["10.0.0.0/8"], true),
            ("192.168.0.7", "billing.internal", true, vec!["10.0.0.0/8"], false),
            (metadata, metadata, true, vec![], true),
            (metadata, "billing.internal", true, vec!["169.254.0.0/16"], false),
            (metadata, "billing.internal", true, vec!["0.0.0.0/0"], false),
            (metadata, "billing.internal", true, vec![metadata], true),
            ("0.0.0.0", "0.0.0.0", true, vec!["0.0.0.0/0"], false),
            ("224.0.0.1", "224.0.0.1", true, vec!["0.0.0.0/0"], false),
        ] {
            let verdict = verdict(address, host, literal, &networks);
            assert_eq!(verdict.is_ok(), reached, "{address} as {host}, {networks:?}: {verdict:?}");
        }
    }
}
