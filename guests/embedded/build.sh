#!/bin/sh
# Rebuilds guests/embedded.Image byte for byte: sh guests/embedded/build.sh [OUTPUT]
# The committed image was made by Debian's gcc-aarch64-linux-gnu 12.2.0; other compilers make other bytes.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
output=$(realpath -m "${1:-$here/../embedded.Image}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here"
prefix=aarch64-linux-gnu-
for source in boot.S fp.S console.c tree.c mmu.c exceptions.c gic.c smp.c virtio.c pci.c checks.c monitor.c; do
  ${prefix}gcc -c -O2 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fpie -fno-stack-protector -fno-common \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -mstrict-align -march=armv8-a -mno-outline-atomics \
    -fno-ident -o "$work/$source.o" "$source"
done
${prefix}ld -pie --no-dynamic-linker -z norelro -z max-page-size=4096 --build-id=none --no-warn-rwx-segments \
  -T link.ld -o "$work/embedded.elf" "$work"/*.o
${prefix}objcopy -O binary "$work/embedded.elf" "$output"
