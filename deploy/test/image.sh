#!/usr/bin/env bash
# Builds the image by the Dockerfile as it is, with no container engine, and proves in runc what docs/deployment.md says of it.
# The base images cannot be fetched everywhere, so stand-ins take their names, made of the same Debian packages.
#
#   deploy/test/image.sh                  the whole build, with the toolchain of this machine: about five minutes
#   deploy/test/image.sh --binary FILE    the last stage around a static program that is there: seconds. The size is not checked
#
# As root, on Debian 12. What is left is target/deploy/image (or image-of-binary), with the image as an OCI layout.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=
[[ "${1:-}" == --binary ]] && binary="$(realpath "$2")"
limit_mib=30

missing=()
for tool in buildah umoci runc; do command -v "$tool" >/dev/null || missing+=("$tool"); done
command -v ip >/dev/null || missing+=(iproute2)
command -v openssl >/dev/null || missing+=(openssl)
command -v python3 >/dev/null || missing+=(python3)
[[ -n "$binary" ]] || command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
if ((${#missing[@]})); then
  apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"
fi

work="$PWD/target/deploy/image${binary:+-of-binary}"
packages="$PWD/target/deploy/packages"
rm -rf "$work" && mkdir -p "$work/tmp" "$packages"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot TMPDIR="$work/tmp"
buildah() { command buildah --root "$work/storage" --runroot "$work/runroot" "$@"; }

# Unpacks Debian packages, and runs nothing of them.
unpack() {
  local into="$1" name
  shift
  mkdir -p "$into"
  for name in "$@"; do
    if ! compgen -G "$packages/${name}_*.deb" >/dev/null; then
      (cd "$packages" && { apt-get download -q "$name" || { apt-get update -q && apt-get download -q "$name"; }; }) >/dev/null 2>&1
    fi
    dpkg -x "$(compgen -G "$packages/${name}_*.deb" | tail -n 1)" "$into"
  done
}

# Makes an image of a folder, and names it.
image_of() {
  local folder="$1" name="$2" container
  shift 2
  container="$(buildah from scratch)"
  buildah copy --quiet "$container" "$folder" / >/dev/null
  buildah config "$@" "$container"
  buildah commit --quiet "$container" "$name" >/dev/null
  buildah rm "$container" >/dev/null
}

base="$(sed -n 's/^FROM \(gcr[^ ]*\).*/\1/p' Dockerfile)"
builder="$(sed -n 's/^FROM \(rust[^ ]*\) AS builder/docker.io\/library\/\1/p' Dockerfile)"

echo "-- a stand-in for $base"
root="$work/base"
unpack "$root" base-files netbase tzdata media-types ca-certificates
rm -rf "$root/usr/sbin" "$root/etc/ca-certificates"
mkdir -p "$root/etc/ssl/certs" "$root/home/nonroot" "$root/tmp" "$root/root"
find "$root/usr/share/ca-certificates" -name '*.crt' -exec cat {} + > "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root/usr/share/ca-certificates"
printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin' \
  'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' > "$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nobody:x:65534:' 'tty:x:5:' 'staff:x:50:' 'nonroot:x:65532:' > "$root/etc/group"
printf '%s\n' 'passwd: compat' 'group: compat' 'hosts: files dns' 'networks: files' 'protocols: db files' 'services: db files' > "$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
image_of "$root" "$base" --user 65532 --workingdir /home/nonroot \
  --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

echo "-- a stand-in for $builder"
root="$work/builder"
if [[ -n "$binary" ]]; then
  # Its cargo builds nothing: it gives the program that is there.
  unpack "$root" busybox-static
  mkdir -p "$root/usr/local/bin" "$root/tmp"
  for applet in sh mkdir chmod cp; do ln -s busybox "$root/bin/$applet"; done
  cp "$binary" "$root/given"
  printf '%s\n' '#!/bin/sh' 'echo any-linux-gnu' > "$root/usr/local/bin/rustc"
  printf '%s\n' '#!/bin/sh' 'set -e' 'mkdir -p target/any-linux-gnu/release' 'cp /given target/any-linux-gnu/release/leadsync' > "$root/usr/local/bin/cargo"
  chmod +x "$root"/usr/local/bin/*
  image_of "$root" "$builder" --env PATH=/usr/local/bin:/bin
else
  mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,make,ca-certificates bookworm "$work/builder.tar"
  mkdir -p "$root" && tar -xf "$work/builder.tar" -C "$root" --exclude='./dev/*' && rm "$work/builder.tar"
  cp -a "$(rustc --print sysroot)" "$root/usr/local/toolchain"
  rm -rf "$root/usr/local/toolchain/share"
  # How this machine trusts its crates' registry.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  image_of "$root" "$builder" --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
fi
rm -rf "$work/base" "$work/builder"

echo "-- the Dockerfile"
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
revision="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
started=$SECONDS
if ! buildah build --pull-never --layers=false --format docker --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  --tag leadsync . > "$work/build.log" 2>&1; then
  tail -n 40 "$work/build.log"
  exit 1
fi
echo "built in $((SECONDS - started)) s"
buildah inspect --type image leadsync > "$work/inspect.json"
buildah push --quiet leadsync "oci:$work/oci:leadsync"
umoci unpack --image "$work/oci:leadsync" "$work/bundle" >/dev/null
rm -rf "$work/storage" "$work/runroot"

# In a network of its own: loopback, and nothing else.
unshare --net python3 -B deploy/test/container.py "$work" "$version" "$revision" "$([[ -n "$binary" ]] || echo "$limit_mib")"
