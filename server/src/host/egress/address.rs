//! Which addresses a name may lead to: those of the public internet. Everything that means this machine, its network, its provider
//! or nobody is refused, in each form in which it can be written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Ranges of IPv4 that are not public (IANA's registry of special addresses), with the length of their prefix.
const REFUSED_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a provider"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // The virtual machine's own servant at Azure: a public address that leads inward.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "special"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "special"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "special"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Ranges of IPv6 within the one that is public, which are not.
const REFUSED_V6: &[(Ipv6Addr, u32, &str)] = &[
    // Among others Teredo, which carries an address of IPv4.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "special"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    // 6to4, which carries an address of IPv4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "special"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
];

/// Checks an address, and says in which form it is to be dialled.
///
/// # Errors
/// What kind of address it is, if it is not public.
pub(super) fn public(address: IpAddr) -> Result<IpAddr, &'static str> {
    match address {
        IpAddr::V4(address) => public_v4(address).map(IpAddr::V4),
        IpAddr::V6(address) => {
            if let Some(inner) = address.to_ipv4_mapped() {
                return public_v4(inner).map(IpAddr::V4);
            }
            // A translator of the provider leads to the address that is in it.
            if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
                let inner = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
                return public_v4(inner).map(|_| IpAddr::V6(address));
            }
            let bits = address.to_bits();
            if bits >> 125 != 1 {
                return Err(kind_of_v6(address));
            }
            let refused = REFUSED_V6
                .iter()
                .find(|(range, length, _)| (bits ^ range.to_bits()).leading_zeros() >= *length);
            refused.map_or(Ok(IpAddr::V6(address)), |(_, _, kind)| Err(kind))
        }
    }
}

fn public_v4(address: Ipv4Addr) -> Result<Ipv4Addr, &'static str> {
    let bits = address.to_bits();
    let refused =
        REFUSED_V4.iter().find(|(range, length, _)| (bits ^ range.to_bits()).leading_zeros() >= *length);
    refused.map_or(Ok(address), |(_, _, kind)| Err(kind))
}

/// A word for an address outside of the public range.
fn kind_of_v6(address: Ipv6Addr) -> &'static str {
    if address.is_loopback() {
        "loopback"
    } else if address.is_unspecified() {
        "unspecified"
    } else if address.is_multicast() {
        "multicast"
    } else if address.is_unique_local() {
        "private"
    } else if address.is_unicast_link_local() {
        "link-local"
    } else {
        "special"
    }
}

/// Whether an address is one of this machine, although it is public: the way to it starts where it ends. Nothing is sent.
pub(super) fn is_own(to: SocketAddr) -> bool {
    let from: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let way = UdpSocket::bind((from, 0)).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    way.is_ok_and(|way| way.ip() == to.ip())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn esc_115_addresses_that_lead_inward_are_refused_in_every_form() {
        let v4 = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for text in v4 {
            let address: Ipv4Addr = text.parse().unwrap();
            let bits = address.to_bits();
            let [high, low] = [(bits >> 16) as u16, (bits & 0xFFFF) as u16];
            let mapped = address.to_ipv6_mapped();
            let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            let local_translated = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low);
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
            let six_to_four = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
            let teredo = Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low);
            assert!(public(IpAddr::V4(address)).is_err(), "{text}");
            for address in [mapped, translated, local_translated, compatible, six_to_four, teredo] {
                assert!(public(IpAddr::V6(address)).is_err(), "{text} as {address}");
            }
        }
        for text in [
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "::ffff:0:8.8.8.8",
        ] {
            assert!(public(text.parse().unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_dialled_as_what_they_are() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "168.63.129.17",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001:800::200e",
            "2001:4860:4860::8888",
            "64:ff9b::8.8.8.8",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(public(address), Ok(address), "{text}");
        }
        assert_eq!(public("::ffff:8.8.8.8".parse().unwrap()), Ok("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn the_machine_knows_its_own_addresses() {
        assert!(is_own("127.0.0.1:443".parse().unwrap()));
        assert!(!is_own("93.184.216.34:443".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn nothing_that_std_knows_as_local_is_public(bits in any::<u32>(), wide in any::<u128>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_inward = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(is_inward && public(v4.into()).is_ok()), "{}", v4);
            // Both forms lead to the same place, so both are judged alike.
            prop_assert_eq!(public(v4.into()).is_ok(), public(v4.to_ipv6_mapped().into()).is_ok());
            let v6 = Ipv6Addr::from_bits(wide);
            let is_inward = v6.is_loopback() || v6.is_multicast() || v6.is_unique_local()
                || v6.is_unicast_link_local() || v6.is_unspecified();
            prop_assert!(!(is_inward && public(v6.into()).is_ok()), "{}", v6);
        }
    }
}
