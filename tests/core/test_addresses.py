"""Which addresses may be reached: the table, and what no rule opens."""

import pytest

from apps.core.addresses import PUBLIC_ONLY, parse_rules

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.254
127.0.0.1 127.0.0.53 127.255.255.254 169.254.0.1 169.254.169.254 169.254.170.2 169.254.170.23
168.63.129.16 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:10.0.0.1
64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1
2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe::1 2002:808:808::1
3fff::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::1%eth0 febf::1 fec0::1
ff02::1 ff05::2 localhost 2130706433 0x7f000001 127.1
"""
REACHED = """
1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255
198.20.0.1 223.255.255.254 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450:4001::1
"""
# Inside a rule that allows everything of their family, and still refused.
NEVER = """
0.0.0.0 169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 224.0.0.1
255.255.255.255 :: ff02::1 fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe
2002:a9fe:a9fe:: ::169.254.169.254 2001:0:a9fe:a9fe::1
"""
EVERYTHING = parse_rules([("0.0.0.0/0", []), ("::/0", [])])


def test_the_table_has_at_least_sixty_addresses():
    assert len(set(REFUSED.split())) >= 60


@pytest.mark.parametrize("address", REFUSED.split())
def test_what_is_not_public_is_refused_with_a_reason(address):
    assert PUBLIC_ONLY.refusal(address, 80)


@pytest.mark.parametrize("address", REACHED.split())
def test_what_is_public_may_be_reached(address):
    assert PUBLIC_ONLY.refusal(address, 80) == ""


@pytest.mark.parametrize("address", NEVER.split())
def test_no_rule_opens_metadata_link_local_or_multicast(address):
    assert EVERYTHING.refusal(address, 80)


def test_a_rule_opens_its_range_and_its_ports_only():
    rules = parse_rules([("10.1.0.0/16", [5432]), ("::1/128", [])])
    assert rules.refusal("10.1.2.3", 5432) == ""
    assert rules.refusal("10.1.2.3", 80)
    assert rules.refusal("10.2.0.1", 5432)
    assert rules.refusal("::1", 12345) == ""
    # Another way to write an allowed address is another address.
    assert rules.refusal("::ffff:10.1.2.3", 5432)


def test_the_portals_own_servers_stay_closed_inside_a_rule():
    rules = parse_rules([("127.0.0.0/8", []), ("::/0", [])], kept=[("127.0.0.1", 5432)])
    assert "portal" in rules.refusal("127.0.0.1", 5432)
    assert "portal" in rules.refusal("::ffff:127.0.0.1", 5432)
    assert rules.refusal("127.0.0.1", 8003) == ""


def test_a_rule_that_is_no_network_is_an_error():
    with pytest.raises(ValueError, match="host bits"):
        parse_rules([("10.1.2.3/8", [])])
