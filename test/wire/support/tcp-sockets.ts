// The TCP sockets of a process as the kernel sees them, which Node cannot list.
import { execFileSync } from 'node:child_process';
import { z } from 'zod';

const program = `
import ctypes, json, os, socket, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
process = os.pidfd_open(pid)
found = []
for fd in os.listdir(f'/proc/{pid}/fd'):
    copy = libc.syscall(438, process, int(fd), 0)  # pidfd_getfd
    if copy < 0:
        if ctypes.get_errno() == 1: sys.exit('may not look into another process')
        continue
    try:
        s = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        continue
    if s.family == socket.AF_INET and s.type == socket.SOCK_STREAM:
        try:
            found.append({
                'local': s.getsockname()[1], 'remote': s.getpeername()[1],
                'noDelay': s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0,
            })
        except OSError:
            pass
    s.close()
print(json.dumps(found))
`;

const sockets = z.array(z.object({ local: z.number(), remote: z.number(), noDelay: z.boolean() }));

/** Returns the connected sockets over IPv4, with their ports. Needs python3, and the right to trace the process. */
export function tcpSockets(pid: number): z.output<typeof sockets> {
  return sockets.parse(
    JSON.parse(execFileSync('python3', ['-c', program, String(pid)], { encoding: 'utf8' })),
  );
}
