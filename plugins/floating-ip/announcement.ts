// Announcement: tells the neighbours that an address has moved to this machine.
import { readFileSync } from 'node:fs';
import type { FloatingAddress } from './address.ts';
import { type CommandResult, run } from './command.ts';
import { runBefore, uptime } from './deadline.ts';

// Sends an unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6): override flag, target, own link-layer
// address, hop limit 255. The kernel fills in the checksum of ICMPv6 raw sockets (RFC 3542 section 3.1). It advertises only addresses
// that went through duplicate address detection.
const advertise = `use Socket qw(:all);
my ($ip, $index, $mac) = @ARGV;
my $target = inet_pton(AF_INET6, $ip);
socket(my $socket, AF_INET6, SOCK_RAW, 58) or die "socket: $!";
setsockopt($socket, 41, 18, pack('i', 255)) or die "hops: $!";
setsockopt($socket, 41, 17, pack('i', $index)) or die "interface: $!";
bind($socket, pack_sockaddr_in6(0, $target)) or die "bind: $!";
my $message = pack('CCnNa16CCH12', 136, 0, 0, 0x20000000, $target, 2, 1, $mac);
send($socket, $message, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'), $index)) or die "send: $!";`;

/**
 * Announces one address, once. Resolves with what went wrong; undefined: nothing. With `keepsDeadlines` it sends nothing after a freeze
 * of a second: neighbours would believe it although another node has the address by then.
 */
export async function announce(
  address: FloatingAddress,
  interfaceName: string,
  keepsDeadlines: boolean,
): Promise<string | undefined> {
  const results = await Promise.all(
    address.family === 4
      ? (['-U', '-A'] as const).map(kind => gratuitousArp(kind, address.ip, interfaceName, keepsDeadlines))
      : [neighbourAdvertisement(address.ip, interfaceName, keepsDeadlines)],
  );
  const failed = results.find(result => !isFine(result));
  return failed?.error;
}

/** Returns whether it was sent, or was too late. arping waits for a second after it has sent, until its alarm ends it. */
function isFine({ code, error }: CommandResult): boolean {
  return code === 75 || /SIGALRM/.test(error) || (code !== undefined && error === '');
}

/** Sends a request (`-U`) or a reply (`-A`): neighbours differ in which they believe. */
async function gratuitousArp(
  kind: '-U' | '-A',
  ip: string,
  interfaceName: string,
  keepsDeadlines: boolean,
): Promise<CommandResult> {
  const args = ['-q', kind, '-c', '1', '-w', '1', '-I', interfaceName, ip];
  return await send('arping', args, keepsDeadlines);
}

async function neighbourAdvertisement(
  ip: string,
  interfaceName: string,
  keepsDeadlines: boolean,
): Promise<CommandResult> {
  const read = (name: string) => readFileSync(`/sys/class/net/${interfaceName}/${name}`, 'utf8').trim();
  const args = ['-e', advertise, ip, read('ifindex'), read('address').replaceAll(':', '')];
  return await send('perl', args, keepsDeadlines);
}

async function send(
  program: string,
  args: readonly string[],
  keepsDeadlines: boolean,
): Promise<CommandResult> {
  const options = { ms: 2000 };
  return await (keepsDeadlines
    ? runBefore(uptime() + 1, program, args, options)
    : run(program, args, options));
}
