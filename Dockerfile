# Weldr as an image: see DOCKER.md.
ARG NODE=26.13.1-trixie-slim

FROM node:${NODE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Which `npm ci` builds.
COPY dashboard dashboard
RUN npm ci
COPY tsconfig.json tsconfig.build.json rolldown.config.ts ./
COPY core core
COPY config config
COPY plugins plugins
COPY bin bin
RUN npm run -s build

FROM node:${NODE} AS dependencies
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:${NODE}
ENV NODE_ENV=production
COPY package.json LICENSE-APACHE LICENSE-MIT /opt/weldr/
COPY --from=dependencies /src/node_modules /opt/weldr/node_modules
COPY --from=build /src/dist /opt/weldr/dist
# A config anywhere in the image, on a mounted volume too, finds `weldr` and `weldr/plugins` from here.
RUN mkdir /node_modules /etc/weldr \
 && ln -s /opt/weldr /node_modules/weldr \
 && ln -s /opt/weldr/dist/bin/weldr.js /usr/local/bin/weldr \
 && chmod +x /opt/weldr/dist/bin/weldr.js \
 && install -d -o node -g node -m 750 /var/lib/weldr
COPY weldr.config.ts /etc/weldr/weldr.config.ts

# What a config names by a relative path, such as the pool file, is kept here.
WORKDIR /var/lib/weldr
# What Node compiled, for the next start, which may be another container's.
ENV XDG_CACHE_HOME=/var/lib/weldr/.cache
VOLUME /var/lib/weldr
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8687/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["weldr"]
CMD ["start", "--config", "/etc/weldr/weldr.config.ts"]
