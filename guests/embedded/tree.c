// Reads the flattened device tree (devicetree specification 0.4, chapter 5). Knows two address and two size cells at
// the root, which is what the virt board has.
#include "guest.h"

struct board board;

static u32 be32(const void *p) {
  u32 v;
  __builtin_memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}

static u64 be64(const u8 *p) { return ((u64)be32(p) << 32) | be32(p + 4); }

int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static int starts(const char *text, const char *with) {
  while (*with)
    if (*text++ != *with++) return 0;
  return 1;
}

int has_word(const char *text, const char *word) {
  for (;;) {
    while (*text == ' ') text++;
    if (!*text) return 0;
    const char *t = text, *w = word;
    while (*w && *t == *w) t++, w++;
    if (!*w && (*t == ' ' || !*t)) return 1;
    while (*text && *text != ' ') text++;
  }
}

struct property { const u8 *data; u32 length; };

// One of the NUL-separated strings.
static int any(struct property p, const char *name) {
  for (u32 at = 0; at < p.length;) {
    if (same((const char *)p.data + at, name)) return 1;
    while (at < p.length && p.data[at]) at++;
    at++;
  }
  return 0;
}

struct node { const char *name; int depth; struct property compatible, reg, method, bootargs, ranges, device_type; };

static void learn(const struct node *n) {
  const u8 *reg = n->reg.data;
  u32 length = n->reg.length;
  if (n->bootargs.length && same(n->name, "chosen")) {
    u32 i = 0;
    for (; i + 1 < sizeof board.bootargs && i < n->bootargs.length; i++) board.bootargs[i] = (char)n->bootargs.data[i];
    board.bootargs[i] = 0;
  } else if (starts(n->name, "memory@") && length >= 16) {
    board.memory = be64(reg);
    board.memory_size = be64(reg + 8);
  } else if (starts(n->name, "cpu@") && length >= 4 && board.cpus < MAX_CPUS) {
    board.mpidr[board.cpus++] = length >= 8 ? be64(reg) : be32(reg);
  } else if (any(n->compatible, "arm,psci-1.0") || any(n->compatible, "arm,psci-0.2")) {
    board.psci_smc = any(n->method, "smc");
  } else if (length < 16) {
    return;
  } else if (any(n->compatible, "arm,pl011") && !board.uart) {
    board.uart = be64(reg);
  } else if (any(n->compatible, "arm,pl031")) {
    board.rtc = be64(reg);
  } else if (any(n->compatible, "arm,gic-v3") && length >= 32) {
    board.gic_version = 3;
    board.gic_distributor = be64(reg);
    board.gic_other = be64(reg + 16);
  } else if ((any(n->compatible, "arm,cortex-a15-gic") || any(n->compatible, "arm,gic-400")) && length >= 32) {
    board.gic_version = 2;
    board.gic_distributor = be64(reg);
    board.gic_other = be64(reg + 16);
  } else if (any(n->compatible, "virtio,mmio") && board.virtio_mmio_count < MAX_VIRTIO_MMIO) {
    board.virtio_mmio[board.virtio_mmio_count++] = be64(reg);
  } else if (any(n->compatible, "pci-host-ecam-generic")) {
    board.ecam = be64(reg);
    board.ecam_size = be64(reg + 8);
    // Three cells of PCI address, two of ours, two of size; the first cell's space code 2 is 32-bit memory.
    for (u32 at = 0; at + 28 <= n->ranges.length; at += 28) {
      const u8 *row = n->ranges.data + at;
      if (((be32(row) >> 24) & 3) != 2 || board.pci_window) continue;
      board.pci_window = be64(row + 12);
      board.pci_window_size = be64(row + 20);
    }
  }
}

int tree_read(const void *blob) {
  const u8 *tree = blob;
  if (be32(tree) != 0xd00dfeed) return 0;
  const u8 *at = tree + be32(tree + 8);
  const char *strings = (const char *)tree + be32(tree + 12);
  static struct node nodes[8];
  int depth = -1;
  for (;;) {
    u32 token = be32(at);
    at += 4;
    if (token == 1) {
      if (depth >= 0 && depth < 8) learn(&nodes[depth]), nodes[depth] = (struct node){.name = ""};
      const char *name = (const char *)at;
      while (*at) at++;
      at = (const u8 *)(((u64)at + 4) & ~3UL);
      if (++depth < 8) nodes[depth] = (struct node){.name = name, .depth = depth};
    } else if (token == 2) {
      if (depth < 8) learn(&nodes[depth]), nodes[depth] = (struct node){.name = ""};
      if (--depth < 0) return 1;
      if (depth < 8) nodes[depth].name = "";
    } else if (token == 3) {
      struct property p = {at + 8, be32(at)};
      const char *name = strings + be32(at + 4);
      at += 8 + ((p.length + 3) & ~3U);
      if (depth >= 8) continue;
      struct node *n = &nodes[depth];
      if (same(name, "compatible")) n->compatible = p;
      else if (same(name, "reg")) n->reg = p;
      else if (same(name, "method")) n->method = p;
      else if (same(name, "bootargs")) n->bootargs = p;
      else if (same(name, "ranges")) n->ranges = p;
    } else if (token != 4) {
      return token == 9;
    }
  }
}
