# One image for the ledger, the simulated street and a gateway; the command says which.
FROM node:22-bookworm-slim AS build
# better-sqlite3 may build from source.
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.base.json ./
COPY firmware-protocol firmware-protocol
COPY gateway gateway
COPY ledger-service ledger-service
COPY device-sim device-sim
COPY tests/package.json tests/package.json
RUN npm ci && npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app /app
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
ENTRYPOINT ["/app/docker-entry.sh"]
COPY --chmod=755 docker/entry.sh /app/docker-entry.sh
CMD ["commonwatt", "--help"]
