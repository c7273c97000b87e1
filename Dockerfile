# The server with its dependencies cached, as a user without privileges.
#   docker build -t client-db-sync .
#   docker run --rm -p 8080:8080 --env-file .env client-db-sync
FROM denoland/deno:alpine-2.9.6

LABEL org.opencontainers.image.title="client-db-sync" \
  org.opencontainers.image.description="WebRTC signaling server for @aikofy/client-db" \
  org.opencontainers.image.licenses="MIT"

WORKDIR /app
COPY deno.json deno.lock ./
# Members of the workspace in deno.json.
COPY page/deno.json page/deno.json
COPY vendor vendor
COPY src src
COPY scripts/generate-keys.ts scripts/generate-keys.ts
COPY mod.ts main.ts ./
# The user `deno` of the base image, by number: Kubernetes refuses a name where it says runAsNonRoot.
# It owns the cache that the next step fills, and none of the sources.
USER 1000
RUN deno install --frozen --entrypoint main.ts

# A third less memory per idle peer for a tenth more CPU per connect: bench/RESULTS.md.
ENV MALLOC_TRIM_THRESHOLD_=65536 MALLOC_TOP_PAD_=0 MALLOC_MMAP_THRESHOLD_=32768
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD wget -q -O /dev/null "http://127.0.0.1:${PORT:-8080}/livez" || exit 1
CMD ["run", "--v8-flags=--max-semi-space-size=1", "--quiet", "--no-prompt", "--cached-only", \
  "-P=server", "main.ts"]
