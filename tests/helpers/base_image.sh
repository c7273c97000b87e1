#!/bin/sh
# Makes a stand-in for the base image of the Dockerfile: DENO IMAGE FOLDER, then options of buildah.
# It has what the Dockerfile uses of the genuine one: deno with its libraries, a shell, wget, the user
# 1000 who owns the cache, an entry point that puts deno in front of its arguments.
set -eu
deno=$1 image=$2 root=$3/root
shift 3

mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/deno-dir"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh wget id; do ln -s busybox "$root/bin/$name"; done
cp "$deno" "$root/bin/deno"
ldd "$deno" "$root/bin/busybox" 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' | while read -r library; do
  mkdir -p "$root${library%/*}"
  cp -L "$library" "$root$library"
done
certificates=/etc/ssl/certs/ca-certificates.crt # Those of this machine, if it has its own.
mkdir -p "$root${certificates%/*}"
cp -L "$certificates" "$root$certificates"
echo 'deno:x:1000:1000::/deno-dir:/bin/sh' >"$root/etc/passwd"
echo 'deno:x:1000:' >"$root/etc/group"
printf '#!/bin/sh\nexec deno "$@"\n' >"$root/bin/docker-entrypoint.sh"
chmod 755 "$root/bin/docker-entrypoint.sh"

container=$(buildah "$@" from scratch)
buildah "$@" copy --quiet "$container" "$root" /
buildah "$@" config --env PATH=/bin --env DENO_DIR=/deno-dir/ --env "DENO_CERT=$certificates" \
  --entrypoint '["docker-entrypoint.sh"]' "$container"
buildah "$@" run --isolation chroot "$container" busybox sh -c \
  'busybox chown 1000:1000 /deno-dir && busybox chmod 1777 /tmp'
buildah "$@" commit --quiet --rm "$container" "docker.io/$image"
