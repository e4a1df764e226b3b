// The guest half of the benchmark rows that no shell command can express. `program ROW AMOUNT` prepares, prints
// BENCH-BEGIN, does the work, and prints BENCH-END with a value that depends on the work, so that nothing can be
// optimised away and peers can be compared. The host takes the time between the two lines. Portable C for Linux: SIMD is
// GCC's vector extension, which becomes NEON on arm64 and SSE2 on i386. On arm64, a process whose heap the C library tags
// (GLIBC_TUNABLES=glibc.mem.tagging) tags the memory that the rows work on as well.

#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1u << 20)

static void begin(void)
{
	puts("BENCH-BEGIN");
	fflush(stdout);
}

static void end(double value)
{
	printf("BENCH-END %.6g\n", value);
	fflush(stdout);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

#ifdef __aarch64__
#define PROT_TAGS 0x20 // PROT_MTE

static int has_tag_checks(void)
{
	int control = prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0);

	return control > 0 && (control & PR_MTE_TCF_MASK) != 0;
}

static void *tagged(void *p, size_t bytes)
{
	char *start;

	__asm__(".arch armv8.5-a+memtag\n\tirg %0, %1" : "=r"(start) : "r"(p));
	for (size_t at = 0; at < bytes; at += 16)
		__asm__ volatile(".arch armv8.5-a+memtag\n\tstg %0, [%0]" ::"r"(start + at) : "memory");
	return start;
}
#else
#define PROT_TAGS 0

static int has_tag_checks(void)
{
	return 0;
}

static void *tagged(void *p, size_t bytes)
{
	(void)bytes;
	return p;
}
#endif

/** Memory that is not touched yet. */
static void *fresh(size_t bytes)
{
	int protection = PROT_READ | PROT_WRITE | (has_tag_checks() ? PROT_TAGS : 0);
	void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void *memory(size_t bytes)
{
	void *p = fresh(bytes);

	return has_tag_checks() ? tagged(p, bytes) : p;
}

static uint32_t random_state = 1;

static uint32_t random32(void) // xorshift
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

// --- memory bandwidth: amount in MiB

#define BLOCK (16u * MIB)

/** How far apart the blocks are decides whether their pages share entries of a direct-mapped TLB. */
static void copy(unsigned amount, size_t apart)
{
	unsigned char *from = memory(apart + BLOCK), *to = from + apart;

	memset(from, 1, BLOCK);
	memset(to, 2, BLOCK);
	begin();
	for (unsigned i = 0; i < amount; i += BLOCK / MIB) {
		from[i]++;
		memcpy(to, from, BLOCK);
	}
	end(to[0] + to[BLOCK - 1]);
}

static void copy_odd(unsigned amount)
{
	copy(amount, BLOCK + 33 * 4096);
}

static void copy_even(unsigned amount)
{
	copy(amount, BLOCK);
}

static void set(unsigned amount)
{
	unsigned char *to = memory(BLOCK);

	memset(to, 2, BLOCK);
	begin();
	for (unsigned i = 0; i < amount; i += BLOCK / MIB)
		memset(to, (int)(i & 0x7f), BLOCK);
	end(to[0] + to[BLOCK - 1]);
}

// --- scalar floating point: the planets' n-body problem, amount in steps

struct body {
	double x, y, z, vx, vy, vz, mass;
};

#define YEAR 365.24
#define SUN (4 * M_PI * M_PI)

static struct body bodies[] = {
	{ 0, 0, 0, 0, 0, 0, SUN },
	{ 4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 0.00166007664274403694 * YEAR,
	  0.00769901118419740425 * YEAR, -0.0000690460016972063023 * YEAR, 0.000954791938424326609 * SUN },
	{ 8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -0.00276742510726411 * YEAR,
	  0.00499852801234917238 * YEAR, 0.0000230417297573763929 * YEAR, 0.000285885980666130812 * SUN },
	{ 12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 0.00296460137564761618 * YEAR,
	  0.00237847173959480950 * YEAR, -0.0000296589568540237556 * YEAR, 0.0000436624404335156298 * SUN },
	{ 15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 0.00268067772490389322 * YEAR,
	  0.00162824170038242295 * YEAR, -0.0000951592254519715870 * YEAR, 0.0000515138902046611451 * SUN },
};

#define BODIES (sizeof bodies / sizeof bodies[0])

static void nbody(unsigned amount)
{
	const double dt = 0.01;

	begin();
	for (unsigned step = 0; step < amount; step++) {
		for (unsigned i = 0; i < BODIES; i++) {
			struct body *a = &bodies[i];

			for (unsigned j = i + 1; j < BODIES; j++) {
				struct body *b = &bodies[j];
				double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
				double square = dx * dx + dy * dy + dz * dz;
				double pull = dt / (square * sqrt(square));

				a->vx -= dx * b->mass * pull;
				a->vy -= dy * b->mass * pull;
				a->vz -= dz * b->mass * pull;
				b->vx += dx * a->mass * pull;
				b->vy += dy * a->mass * pull;
				b->vz += dz * a->mass * pull;
			}
		}
		for (unsigned i = 0; i < BODIES; i++) {
			bodies[i].x += dt * bodies[i].vx;
			bodies[i].y += dt * bodies[i].vy;
			bodies[i].z += dt * bodies[i].vz;
		}
	}
	end(bodies[1].x);
}

// --- SIMD, 32-bit floats: matrix products, amount in products

#define N 64

typedef float f32x4 __attribute__((vector_size(16)));

static float ma[N][N] __attribute__((aligned(16)));
static float mb[N][N] __attribute__((aligned(16)));
static float mc[N][N] __attribute__((aligned(16)));

static void multiply(void)
{
	for (unsigned i = 0; i < N; i++) {
		for (unsigned j = 0; j < N; j += 16) {
			f32x4 c0 = { 0 }, c1 = { 0 }, c2 = { 0 }, c3 = { 0 };

			for (unsigned k = 0; k < N; k++) {
				const f32x4 *row = (const f32x4 *)&mb[k][j];
				float a = ma[i][k];

				c0 += a * row[0];
				c1 += a * row[1];
				c2 += a * row[2];
				c3 += a * row[3];
			}
			f32x4 *out = (f32x4 *)&mc[i][j];

			out[0] = c0;
			out[1] = c1;
			out[2] = c2;
			out[3] = c3;
		}
	}
}

static void simd_float(unsigned amount)
{
	for (unsigned i = 0; i < N; i++)
		for (unsigned j = 0; j < N; j++) {
			ma[i][j] = (float)(random32() & 15);
			mb[i][j] = (float)(random32() & 15);
		}
	begin();
	for (unsigned n = 0; n < amount; n++) {
		ma[n % N][0] = (float)(n & 15);
		multiply();
	}
	end(mc[3][5] + mc[N - 1][N - 1]);
}

// --- SIMD, integers: blends two 64 KiB images, amount in images

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

#define PIXELS 65536

static uint8_t pa[PIXELS] __attribute__((aligned(16)));
static uint8_t pb[PIXELS] __attribute__((aligned(16)));

static void simd_integer(unsigned amount)
{
	for (unsigned i = 0; i < PIXELS; i++) {
		pa[i] = (uint8_t)random32();
		pb[i] = (uint8_t)random32();
	}
	begin();
	for (unsigned n = 0; n < amount; n++) {
		uint16_t alpha = (uint16_t)(n & 0xff);

		for (unsigned i = 0; i < PIXELS; i += 8) {
			u16x8 a = __builtin_convertvector(*(u8x8 *)&pa[i], u16x8);
			u16x8 b = __builtin_convertvector(*(u8x8 *)&pb[i], u16x8);
			u16x8 mixed = (a * alpha + b * (uint16_t)(255 - alpha) + 128) >> 8;

			*(u8x8 *)&pa[i] = __builtin_convertvector(mixed, u8x8);
		}
	}
	end(pa[0] + pa[777] + pa[PIXELS - 1]);
}

// --- pointer chasing through 64 MiB in one random cycle, amount in steps

struct node {
	struct node *next;
	char rest[64 - sizeof(struct node *)];
};

static void chase(unsigned amount)
{
	unsigned count = 64 * MIB / sizeof(struct node);
	struct node *nodes = memory(64 * MIB);
	uint32_t *order = memory(count * sizeof *order);

	for (unsigned i = 0; i < count; i++)
		order[i] = i;
	for (unsigned i = count - 1; i > 0; i--) {
		unsigned j = random32() % (i + 1);
		uint32_t swapped = order[i];

		order[i] = order[j];
		order[j] = swapped;
	}
	for (unsigned i = 0; i < count; i++)
		nodes[order[i]].next = &nodes[order[(i + 1) % count]];
	struct node *at = &nodes[order[0]];

	begin();
	for (unsigned i = 0; i < amount; i++)
		at = at->next;
	end((double)(at - nodes));
}

// --- the kernel's paths

static void system_call(unsigned amount)
{
	long sum = 0;

	begin();
	for (unsigned i = 0; i < amount; i++)
		sum += syscall(SYS_getppid) > 0;
	end((double)sum);
}

/** Two processes and a byte through two pipes; amount in round trips, two switches each. */
static void context_switch(unsigned amount)
{
	int there[2], back[2];
	char byte = 0;

	if (pipe(there) || pipe(back))
		fail("pipe");
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0) {
		while (read(there[0], &byte, 1) == 1 && byte == 1)
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	begin();
	for (unsigned i = 0; i < amount; i++) {
		byte = 1;
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("pipe");
	}
	end(amount);
	byte = 0;
	if (write(there[1], &byte, 1) != 1)
		fail("pipe");
	waitpid(child, NULL, 0);
}

/** First touches of anonymous memory, mapped anew every 16 MiB; amount in pages. */
static void page_fault(unsigned amount)
{
	unsigned page = (unsigned)sysconf(_SC_PAGESIZE), pages = 16 * MIB / page, touched = 0;

	begin();
	while (touched < amount) {
		volatile char *p = fresh(16 * MIB);

		madvise((void *)p, 16 * MIB, MADV_NOHUGEPAGE);
		for (unsigned i = 0; i < pages; i++)
			p[i * page] = 1;
		munmap((void *)p, 16 * MIB);
		touched += pages;
	}
	end(touched);
}

static void fork_exec(unsigned amount)
{
	unsigned good = 0;

	begin();
	for (unsigned i = 0; i < amount; i++) {
		int status = 1;
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child == 0) {
			execl("/proc/self/exe", "program", NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		good += status == 0;
	}
	end(good);
}

static const struct {
	const char *name;
	void (*run)(unsigned amount);
} rows[] = {
	{ "memcpy", copy_odd },
	{ "memcpy-16m", copy_even },
	{ "memset", set },
	{ "nbody", nbody },
	{ "simd-float", simd_float },
	{ "simd-integer", simd_integer },
	{ "chase", chase },
	{ "syscall", system_call },
	{ "switch", context_switch },
	{ "fault", page_fault },
	{ "fork-exec", fork_exec },
};

int main(int argc, char **argv)
{
	if (argc == 1)
		return 0; // what fork_exec() starts
	for (unsigned i = 0; argc == 3 && i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(argv[1], rows[i].name) == 0) {
			rows[i].run((unsigned)strtoul(argv[2], NULL, 10));
			return 0;
		}
	fprintf(stderr, "usage: program ROW AMOUNT\n");
	return 2;
}
