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
    if (!['@std/dotenv', '@std/http', 'jose'].includes(name)) delete config.imports[name]; \
  } \
  Deno.writeTextFileSync('deno.json', JSON.stringify(config))"
RUN deno install --entrypoint main.ts
RUN chown -R deno:deno "$DENO_DIR"

USER deno
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD wget -q -O /dev/null "http://127.0.0.1:${PORT:-8080}/health" || exit 1
CMD ["run", "--no-prompt", "--cached-only", \
  "--allow-net=0.0.0.0,127.0.0.1,localhost,[::],[::1]", \
  "--allow-env=HOST,PORT,AUTH_DISABLED,PRIVATE_KEY_JWK,PUBLIC_KEY_JWK,ADMIN_SECRET,CONSUMER_PUBLIC_KEY_JWK,CONSUMER_JWKS_URL,CONSUMER_ISSUER,CONSUMER_AUDIENCE,CONSUMER_ALGORITHMS,CONSUMER_ROOM_CLAIM,LOG_LEVEL,LOG_FORMAT", \
  "--allow-read=.env", \
  "main.ts"]
