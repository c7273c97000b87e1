# The server with its dependencies cached, as a user without privileges.
#   docker build -t client-db-sync .
#   docker run --rm -p 8080:8080 --env-file .env client-db-sync
FROM denoland/deno:alpine-2.9.6

WORKDIR /app
COPY deno.json deno.lock ./
COPY vendor vendor
COPY src src
COPY scripts/generate-keys.ts scripts/generate-keys.ts
COPY mod.ts main.ts ./
# What only tests and examples import is left out; deno.lock pins the rest.
RUN deno eval --no-lock "const config = JSON.parse(Deno.readTextFileSync('deno.json')); \
  for (const name of Object.keys(config.imports)) { \
    if (!['@redis/client', '@std/dotenv', '@std/http', 'jose'].includes(name)) delete config.imports[name]; \
  } \
  Deno.writeTextFileSync('deno.json', JSON.stringify(config))"
RUN deno install --entrypoint main.ts
RUN chown -R deno:deno "$DENO_DIR"

# A third less memory per idle peer for a tenth more CPU per connect: bench/RESULTS.md.
ENV MALLOC_TRIM_THRESHOLD_=65536 MALLOC_TOP_PAD_=0 MALLOC_MMAP_THRESHOLD_=32768
USER deno
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD wget -q -O /dev/null "http://127.0.0.1:${PORT:-8080}/health" || exit 1
CMD ["run", "--v8-flags=--max-semi-space-size=1", "--no-prompt", "--cached-only", \
  "--allow-net=0.0.0.0,127.0.0.1,localhost,[::],[::1]", \
  "--allow-env=HOST,PORT,AUTH_DISABLED,PRIVATE_KEY_JWK,PUBLIC_KEY_JWK,ADMIN_SECRET,CONSUMER_PUBLIC_KEY_JWK,CONSUMER_JWKS_URL,CONSUMER_ISSUER,CONSUMER_AUDIENCE,CONSUMER_ALGORITHMS,CONSUMER_ROOM_CLAIM,ALLOWED_ORIGINS,TRUSTED_PROXIES,MAX_TOKEN_TTL,REGISTER_TIMEOUT_MS,IDLE_TIMEOUT_SECONDS,DRAIN_SECONDS,REDIS_URL,REDIS_PREFIX,LOG_LEVEL,LOG_FORMAT,MAX_MESSAGE_BYTES,MAX_PENDING_MESSAGE_BYTES,MAX_MESSAGES_PER_SECOND,MESSAGE_BURST,MAX_SEND_BUFFER_BYTES,MAX_CONNECTIONS,MAX_CONNECTIONS_PER_IP,MAX_PENDING_CONNECTIONS,MAX_PENDING_CONNECTIONS_PER_IP,MAX_REFUSED_CONNECTIONS,MAX_PEERS_PER_ROOM,MAX_FAILED_AUTH_PER_MINUTE,MAX_MEMORY_MB", \
  "--allow-read=.env", "--allow-sys=systemMemoryInfo", \
  "main.ts"]
