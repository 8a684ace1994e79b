// NeighbourSolicitation: asks the neighbours of an interface for an IPv6 address, as `arping -D` does for IPv4.
import { readFileSync } from 'node:fs';
import { type CommandResult, run } from './command.ts';

// Sends a neighbour solicitation (RFC 4861 section 4.3) from the own link-local address, hop limit 255, to the address's
// solicited-node group, not looped back. An answer is a neighbour advertisement for that address with the flag "solicited", which
// announcements do not have, and the link-layer address of another host. The kernel fills in checksums of ICMPv6 raw sockets (RFC
// 3542 section 3.1); the filter lets only advertisements through. Nothing from beyond the link is sent to a link-local address.
// Ends with 1 and the host's MAC as arping does, or with 0 after a second.
const solicit = `use Socket qw(:all);
my ($ip, $index, $mac, $from) = @ARGV;
my $target = inet_pton(AF_INET6, $ip);
socket(my $socket, AF_INET6, SOCK_RAW, 58) or die "socket: $!";
setsockopt($socket, 58, 1, pack('L8', (0xffffffff) x 4, 0xfffffeff, (0xffffffff) x 3)) or die "filter: $!";
setsockopt($socket, 41, 18, pack('i', 255)) or die "hops: $!";
setsockopt($socket, 41, 17, pack('i', $index)) or die "interface: $!";
setsockopt($socket, 41, 19, pack('i', 0)) or die "loop: $!";
bind($socket, pack_sockaddr_in6(0, inet_pton(AF_INET6, $from), $index)) or die "bind: $!";
my $group = inet_pton(AF_INET6, 'ff02::1:ff00:0');
substr($group, 13) = substr($target, 13);
my $message = pack('CCnNa16CCH12', 135, 0, 0, 0, $target, 1, 1, $mac);
$SIG{ALRM} = sub { exit 0 };
alarm 1;
send($socket, $message, 0, pack_sockaddr_in6(0, $group, $index)) or die "send: $!";
while (defined recv($socket, my $answer, 1500, 0)) {
  next if length($answer) < 32;
  my ($type, $code, $sum, $flags, $about, $kind, $units, $who) = unpack('CCnNa16CCH12', $answer);
  next unless $type == 136 && $code == 0 && $flags & 0x40000000 && $about eq $target;
  next unless $kind == 2 && $units == 1 && $who ne $mac;
  print '[', join(':', $who =~ /../g), "]\\n";
  exit 1;
}
die "recv: $!";`;

/**
 * Asks once, and waits for an answer for a second. Resolves as `arping -D` does: with the code 1 and the MAC in brackets when another
 * host has the address. Undefined: the interface has no link-local address to ask from.
 */
export async function solicitNeighbour(
  ip: string,
  interfaceName: string,
): Promise<CommandResult | undefined> {
  const read = (path: string) => readFileSync(path, 'utf8');
  const from = linkLocalAddress(read('/proc/net/if_inet6'), interfaceName);
  if (from === undefined) return undefined;
  const folder = `/sys/class/net/${interfaceName}`;
  const [index, mac] = [read(`${folder}/ifindex`).trim(), read(`${folder}/address`).trim()];
  return await run('perl', ['-e', solicit, ip, index, mac.replaceAll(':', ''), from], { ms: 3000 });
}

const linkScope = '20';
/** The flags of an address that is not usable yet, or belongs to another host: IFA_F_TENTATIVE and IFA_F_DADFAILED. */
const unusable = 0x40 | 0x08;

/** Returns the first usable link-local address of an interface in the table `/proc/net/if_inet6`. */
export function linkLocalAddress(table: string, interfaceName: string): string | undefined {
  for (const line of table.split('\n')) {
    const [digits = '', , , scope, flags = '', name] = line.trim().split(/\s+/);
    if (name !== interfaceName || scope !== linkScope || Number.parseInt(flags, 16) & unusable) continue;
    return digits.match(/.{4}/g)?.join(':');
  }
  return undefined;
}
