// The files around the config of a new project: package.json, the settings of TypeScript, and the files for git and Docker.
import { version } from '../../core/package/version.ts';

/** The entries that the project needs in `package.json`. */
export const manifest = {
  private: true,
  type: 'module',
  scripts: { start: 'weldr start', check: 'weldr check', test: 'node --test' },
  engines: { node: '>=22.19' },
  dependencies: { weldr: `^${version}` },
  devDependencies: { '@types/node': '>=22.19' },
} as const;

/** For editors; Node itself ignores it. */
export const tsconfigText = `{
  "compilerOptions": {
    "target": "esnext",
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true
  }
}
`;

/** The text of `.gitignore`. */
export const gitignoreText = `node_modules/
# Certificates, keys and tokens
*.pem
*.key
.env
`;

/** The text of `data/.gitignore`: git keeps the folder, which Weldr writes to. */
export const dataGitignoreText = `*
!.gitignore
`;

/** The text of `.dockerignore`. */
export const dockerignoreText = `.git
.gitignore
.dockerignore
Dockerfile
node_modules
data
**/*.test.ts
# Mounted at run time
*.pem
*.key
.env
`;

/** The text of the `Dockerfile`. */
export function dockerfileText(ports: readonly number[]): string {
  const published = ports.map(port => `-p ${port}:${port}`).join(' ');
  return `# docker build -t my-weldr . && docker run -d --init --stop-timeout 40 ${published} -v weldr-data:/app/data my-weldr
# --init: Node is not an init process. --stop-timeout: requests in flight have 30 s to finish after SIGTERM (drainTimeout).
# 127.0.0.1 is the container itself: name servers by address, or as host.docker.internal.
FROM node:26-slim
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH XDG_CACHE_HOME=/app/data/.cache
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY . .
# The only folder that Weldr writes to.
RUN install -d -o node -g node -m 750 data
VOLUME /app/data
USER node
EXPOSE ${ports.join(' ')}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["weldr", "health"]
# Not \`npm start\`: npm would intercept Docker's signals.
ENTRYPOINT ["weldr"]
CMD ["start"]
`;
}
