# gatehouse as an image: plain JavaScript, production dependencies, PostgreSQL's client programs, an account without rights.
# docs/running.md says how to run it; compose.yaml does, with a database and a mail catcher.

FROM node:24-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No script of a dependency runs: what has to be native comes prebuilt.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
# By its path: `npm run` would put the project's own Node first, which only an install script completes.
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && cp src/passwords/common-passwords.txt dist/passwords/ \
 && chmod +x dist/bin.js

FROM node:24-trixie-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-trixie-slim
LABEL org.opencontainers.image.title="gatehouse" \
      org.opencontainers.image.description="The auth service in front of your own PostgreSQL, with the API of Supabase Auth" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
WORKDIR /app
COPY package.json openapi.yaml LICENSE ./
COPY drizzle drizzle
COPY --from=dependencies /build/node_modules node_modules
COPY --from=build /build/dist dist
# In the PATH, so that `docker exec … gatehouse roles list` is what the documents say.
RUN ln -s /app/dist/bin.js /usr/local/bin/gatehouse
ENV NODE_ENV=production \
    HOST=0.0.0.0
# The image's account `node`, by number: so that a platform can see that it is not root. It owns nothing here.
USER 1000:1000
EXPOSE 9999
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "const { GATEHOUSE_API_PORT, GOTRUE_API_PORT, PORT } = process.env; fetch(`http://127.0.0.1:${GATEHOUSE_API_PORT || GOTRUE_API_PORT || PORT || 9999}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["gatehouse"]
CMD ["serve"]
