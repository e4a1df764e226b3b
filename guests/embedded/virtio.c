// A virtio driver small enough to read in a minute (virtio 1.3): one split queue, one request, polled. It draws entropy
// and reads a disk's first sector, over MMIO and PCI alike.
#include "guest.h"

#define ID_BLOCK 2
#define ID_ENTROPY 4

#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
#define FEATURE_VERSION_1 (1 << 0) // bit 32, in the second word
#define DESC_NEXT 1
#define DESC_WRITE 2
#define SIZE 8 // of the queue

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct available { u16 flags, index, ring[SIZE]; };
struct used { u16 flags, index; struct { u32 id, length; } ring[SIZE]; };

static void set_status(const struct virtio *v, u32 status) {
  if (v->is_pci) store8(v->common + 0x14, (u8)status);
  else store32(v->common + 0x70, status);
}

static u32 status(const struct virtio *v) {
  return v->is_pci ? load8(v->common + 0x14) : load32(v->common + 0x70);
}

static int start(const struct virtio *v) {
  u64 c = v->common;
  set_status(v, 0);
  while (status(v) != 0) {
  }
  set_status(v, ACKNOWLEDGE);
  set_status(v, ACKNOWLEDGE | DRIVER);
  u64 select = v->is_pci ? 0x00 : 0x14, offered = v->is_pci ? 0x04 : 0x10;
  u64 choose = v->is_pci ? 0x08 : 0x24, accept = v->is_pci ? 0x0c : 0x20;
  store32(c + select, 1);
  if (!(load32(c + offered) & FEATURE_VERSION_1)) return 0;
  store32(c + choose, 0);
  store32(c + accept, 0);
  store32(c + choose, 1);
  store32(c + accept, FEATURE_VERSION_1);
  set_status(v, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  return (status(v) & FEATURES_OK) != 0;
}

static void store_address(u64 at, u64 value) {
  store32(at, (u32)value);
  store32(at + 4, (u32)(value >> 32));
}

static u64 notify_offset;

static int queue(const struct virtio *v, u64 ring) {
  u64 c = v->common;
  if (v->is_pci) {
    store16(c + 0x16, 0);
    if (load16(c + 0x18) < SIZE) return 0;
    store16(c + 0x18, SIZE);
    store_address(c + 0x20, ring);
    store_address(c + 0x28, ring + 0x400);
    store_address(c + 0x30, ring + 0x800);
    notify_offset = load16(c + 0x1e);
    store16(c + 0x1c, 1);
  } else {
    store32(c + 0x30, 0);
    if (load32(c + 0x34) < SIZE) return 0;
    store32(c + 0x38, SIZE);
    store_address(c + 0x80, ring);
    store_address(c + 0x90, ring + 0x400);
    store_address(c + 0xa0, ring + 0x800);
    store32(c + 0x44, 1);
  }
  set_status(v, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  return 1;
}

// Makes the chain that begins at descriptor 0 available and waits for it. The length used, or -1.
static long submit(const struct virtio *v, u64 ring) {
  volatile struct available *available = (void *)(ring + 0x400);
  volatile struct used *used = (void *)(ring + 0x800);
  available->ring[0] = 0;
  dsb();
  available->index = 1;
  dsb();
  if (v->is_pci) store16(v->notify, 0);
  else store32(v->common + 0x50, 0);
  u64 end = now_us() + 5000000;
  while (used->index != 1)
    if (now_us() > end) return -1;
  dsb();
  return (long)used->ring[0].length;
}

static int entropy(const struct virtio *v, u64 ring, const char *where) {
  volatile struct descriptor *d = (void *)ring;
  u8 *data = (u8 *)(ring + 0xc00);
  d[0] = (struct descriptor){(u64)data, 64, DESC_WRITE, 0};
  long length = submit(v, ring);
  u32 different = 0;
  for (int i = 1; i < 64; i++) different += data[i] != data[0];
  int ok = length > 0 && length <= 64 && different > 0;
  result("virtio-rng", ok, "%s: %u bytes, the first is %x", where, (u64)length, (u64)data[0]);
  return ok;
}

static int block(const struct virtio *v, u64 ring, const char *where) {
  volatile struct descriptor *d = (void *)ring;
  u64 sectors = load32(v->device) | (u64)load32(v->device + 4) << 32;
  u32 *header = (u32 *)(ring + 0xc00);
  u8 *data = (u8 *)(ring + 0xd00);
  u8 *answer = (u8 *)(ring + 0xc80);
  header[0] = header[1] = header[2] = header[3] = 0; // read, sector 0
  *answer = 0xff;
  d[0] = (struct descriptor){(u64)header, 16, DESC_NEXT, 1};
  d[1] = (struct descriptor){(u64)data, 512, DESC_WRITE | DESC_NEXT, 2};
  d[2] = (struct descriptor){(u64)answer, 1, DESC_WRITE, 0};
  long length = submit(v, ring);
  dsb();
  u32 sum = 0;
  for (int i = 0; i < 512; i++) sum = sum * 31 + data[i];
  int ok = length == 513 && *(volatile u8 *)answer == 0;
  result("virtio-blk", ok, "%s: %u sectors, the first hashes to %x", where, sectors, (u64)sum);
  return ok;
}

int virtio_exercise(const struct virtio *v, int id, const char *where) {
  if (id != ID_BLOCK && id != ID_ENTROPY) return 0;
  u64 ring = free_page();
  for (u64 i = 0; i < PAGE; i += 8) *(volatile u64 *)(ring + i) = 0;
  struct virtio device = *v;
  if (!start(&device) || !queue(&device, ring)) {
    result("virtio", 0, "%s: device %u does not start", where, (u64)id);
    return 0;
  }
  // The doorbell of queue 0: for PCI its place is known only now.
  if (device.is_pci) device.notify = v->notify + notify_offset * v->notify_multiplier;
  int ok = id == ID_BLOCK ? block(&device, ring, where) : entropy(&device, ring, where);
  set_status(&device, 0);
  return ok;
}

void check_virtio_mmio(void) {
  int present = 0;
  for (int i = 0; i < board.virtio_mmio_count; i++) {
    u64 base = board.virtio_mmio[i];
    int id = (int)load32(base + 8);
    if (load32(base) != 0x74726976 || id == 0) continue;
    present++;
    if (load32(base + 4) != 2) {
      print("  virtio-mmio at %x: legacy device %u, left alone\n", base, (u64)id);
      continue;
    }
    const struct virtio v = {.common = base, .device = base + 0x100};
    virtio_exercise(&v, id, "mmio");
  }
  if (board.virtio_mmio_count > 0)
    print("  virtio-mmio: %u transports, %u devices\n", (u64)board.virtio_mmio_count, (u64)present);
}
