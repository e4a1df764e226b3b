// PCI Express by ECAM: lists bus 0, places the BARs of modern virtio functions in the host's 32-bit window, and finds
// their structures by capability (virtio 1.3, 4.1.4).
#include "guest.h"

#define COMMAND 0x04
#define BAR0 0x10
#define CAPABILITIES 0x34
#define CAP_VENDOR 0x09
#define CFG_COMMON 1
#define CFG_NOTIFY 2
#define CFG_DEVICE 4

static u64 next_address;

static u64 function_base(int device) { return board.ecam + ((u64)device << 15); }

static void place_bars(u64 f) {
  store16(f + COMMAND, 0);
  for (int bar = 0; bar < 6; bar++) {
    u64 at = f + BAR0 + bar * 4UL;
    store32(at, ~0U);
    u32 mask = load32(at);
    if (mask == 0 || (mask & 1)) continue;
    u64 size = (u64)(~(mask & ~15U) + 1U) & 0xffffffffUL;
    next_address = (next_address + size - 1) & ~(size - 1);
    store32(at, (u32)next_address);
    next_address += size;
    if ((mask & 6) == 4) store32(f + BAR0 + ++bar * 4UL, 0);
  }
  store16(f + COMMAND, 6); // memory space, bus master
}

static u64 bar_address(u64 f, int bar) { return load32(f + BAR0 + (u64)bar * 4) & ~15U; }

static int find_structures(u64 f, struct virtio *v) {
  *v = (struct virtio){.is_pci = 1};
  int at = load8(f + CAPABILITIES);
  for (int seen = 0; at && seen < 48; seen++, at = load8(f + at + 1)) {
    if (load8(f + at) != CAP_VENDOR) continue;
    u64 where = bar_address(f, load8(f + at + 4)) + load32(f + at + 8);
    switch (load8(f + at + 3)) {
      case CFG_COMMON: v->common = where; break;
      case CFG_DEVICE: v->device = where; break;
      case CFG_NOTIFY:
        v->notify = where;
        v->notify_multiplier = load32(f + at + 16);
        break;
    }
  }
  return v->common && v->notify;
}

void check_pci(void) {
  if (!board.ecam) return;
  next_address = board.pci_window;
  int functions = 0;
  for (int device = 0; device < 32; device++) {
    u64 f = function_base(device);
    u32 id = load32(f);
    if ((id & 0xffff) == 0xffff) continue;
    functions++;
    print("  pci 00:%x.0 %x:%x class %x\n", (u64)device, (u64)(id & 0xffff), (u64)(id >> 16), (u64)(load32(f + 8) >> 8));
    int kind = (int)(id >> 16) - 0x1040;
    if ((id & 0xffff) != 0x1af4 || kind <= 0 || kind > 63 || !board.pci_window) continue;
    struct virtio v;
    place_bars(f);
    if (find_structures(f, &v)) virtio_exercise(&v, kind, "pci");
    store16(f + COMMAND, 0);
  }
  result("pci", functions > 0, "%u functions on bus 0", (u64)functions);
}
