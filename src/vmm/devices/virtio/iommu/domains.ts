// The virtio IOMMU's address spaces (virtio 1.3, 5.13.6): domains with mappings, endpoints attached to them, and the
// one translation that every endpoint's memory access and message asks. It knows neither queues nor requests.

/** Request status values (virtio 1.3, 5.13.6). */
export const IOMMU_S = {
  OK: 0,
  IOERR: 1,
  UNSUPP: 2,
  DEVERR: 3,
  INVAL: 4,
  RANGE: 5,
  NOENT: 6,
  FAULT: 7,
  NOMEM: 8,
} as const;
export type IommuStatus = (typeof IOMMU_S)[keyof typeof IOMMU_S];

export const MAP_F = { READ: 1, WRITE: 2, MMIO: 4 } as const;

/** The page granularity, and the last address that can be mapped (48 bits, so that numbers stay exact). */
export const GRANULE = 4096;
export const INPUT_END = 2 ** 48 - 1;
/** Domain ids are 16 bits wide, as they are for a stream table. */
export const DOMAIN_END = 0xffff;
// A driver may map what it likes as often as it likes, at the cost of the host's memory: bounded.
const MAX_MAPPINGS = 1 << 20;

export interface Mapping {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
  readonly physical: number;
  readonly flags: number;
}

interface Domain {
  readonly bypass: boolean;
  /** Sorted by start, without overlap. */
  readonly mappings: Mapping[];
  readonly endpoints: Set<number>;
}

/** Why a translation failed, as the fault event says it (virtio 1.3, 5.13.6.9). */
export const FAULT = { UNKNOWN: 0, DOMAIN: 1, MAPPING: 2 } as const;

export interface IommuFault {
  readonly reason: number;
  readonly explanation: string;
}

/** The mapping that answers for an address; 'bypass' where addresses pass untranslated. */
export type Translation = Mapping | 'bypass' | IommuFault;

export interface SavedDomains {
  readonly domains: readonly {
    readonly id: number;
    readonly bypass: boolean;
    readonly mappings: readonly Mapping[];
  }[];
  /** Endpoint and domain. */
  readonly attached: readonly (readonly [number, number])[];
}

export class Domains {
  /** What an endpoint without a domain may do: everything, or nothing (config.bypass). */
  bypassUnattached: boolean;
  private readonly known = new Set<number>();
  private readonly domains = new Map<number, Domain>();
  private readonly attached = new Map<number, number>();
  private mappingCount = 0;

  constructor(bypassUnattached: boolean) {
    this.bypassUnattached = bypassUnattached;
  }

  addEndpoint(endpoint: number): void {
    this.known.add(endpoint);
  }

  knows(endpoint: number): boolean {
    return this.known.has(endpoint);
  }

  /** Attaching moves an endpoint out of its old domain; a domain begins with its first endpoint. */
  attach(id: number, endpoint: number, bypass: boolean): IommuStatus {
    if (!this.known.has(endpoint)) return IOMMU_S.NOENT;
    if (id > DOMAIN_END) return IOMMU_S.RANGE;
    const existing = this.domains.get(id);
    if (existing && existing.bypass !== bypass) return IOMMU_S.INVAL;
    if (this.attached.get(endpoint) === id) return IOMMU_S.OK;
    this.leave(endpoint);
    const domain = this.domains.get(id) ?? { bypass, mappings: [], endpoints: new Set() };
    this.domains.set(id, domain);
    domain.endpoints.add(endpoint);
    this.attached.set(endpoint, id);
    return IOMMU_S.OK;
  }

  detach(id: number, endpoint: number): IommuStatus {
    if (!this.known.has(endpoint)) return IOMMU_S.NOENT;
    if (this.attached.get(endpoint) !== id) return IOMMU_S.INVAL;
    this.leave(endpoint);
    return IOMMU_S.OK;
  }

  map(id: number, mapping: Mapping): IommuStatus {
    const domain = this.domains.get(id);
    if (!domain) return IOMMU_S.NOENT;
    if (domain.bypass) return IOMMU_S.INVAL;
    const { start, end, physical } = mapping;
    if (end < start) return IOMMU_S.INVAL;
    if (start % GRANULE !== 0 || (end + 1) % GRANULE !== 0 || physical % GRANULE !== 0) return IOMMU_S.RANGE;
    if (end > INPUT_END || physical + (end - start) >= 2 ** 52) return IOMMU_S.RANGE;
    if (this.mappingCount >= MAX_MAPPINGS) return IOMMU_S.NOMEM;
    const at = firstEndingFrom(domain.mappings, start);
    if (at < domain.mappings.length && domain.mappings[at].start <= end) return IOMMU_S.INVAL;
    domain.mappings.splice(at, 0, mapping);
    this.mappingCount++;
    return IOMMU_S.OK;
  }

  /** Removes whole mappings only; one that would be split leaves everything as it was (5.13.6.6.2). */
  unmap(id: number, start: number, end: number): IommuStatus {
    const domain = this.domains.get(id);
    if (!domain) return IOMMU_S.NOENT;
    if (domain.bypass || end < start) return IOMMU_S.INVAL;
    const { mappings } = domain;
    const first = firstEndingFrom(mappings, start);
    let last = first;
    while (last < mappings.length && mappings[last].start <= end) last++;
    if (last === first) return IOMMU_S.OK;
    if (mappings[first].start < start || mappings[last - 1].end > end) return IOMMU_S.RANGE;
    mappings.splice(first, last - first);
    this.mappingCount -= last - first;
    return IOMMU_S.OK;
  }

  /** What an access of `endpoint` at `address` meets; `access` is one of MAP_F. */
  translate(endpoint: number, address: number, access: number): Translation {
    const id = this.attached.get(endpoint);
    if (id === undefined) {
      if (this.bypassUnattached) return 'bypass';
      return { reason: FAULT.DOMAIN, explanation: `endpoint ${endpoint} is attached to no domain` };
    }
    const domain = this.domains.get(id);
    if (!domain || domain.bypass) return 'bypass';
    const mapping = domain.mappings[firstEndingFrom(domain.mappings, address)];
    if (!mapping || mapping.start > address)
      return { reason: FAULT.MAPPING, explanation: `domain ${id} maps nothing there` };
    if ((mapping.flags & access) === 0)
      return { reason: FAULT.MAPPING, explanation: `domain ${id} maps it without this access` };
    return mapping;
  }

  /** Reset: all domains are gone; the endpoints and config.bypass stay. */
  clear(): void {
    this.domains.clear();
    this.attached.clear();
    this.mappingCount = 0;
  }

  save(): SavedDomains {
    return {
      domains: [...this.domains].map(([id, { bypass, mappings }]) => ({
        id,
        bypass,
        mappings: [...mappings],
      })),
      attached: [...this.attached],
    };
  }

  restore(state: SavedDomains): void {
    this.clear();
    for (const { id, bypass, mappings } of state.domains) {
      this.domains.set(id, { bypass, mappings: [...mappings], endpoints: new Set() });
      this.mappingCount += mappings.length;
    }
    for (const [endpoint, id] of state.attached) {
      this.attached.set(endpoint, id);
      this.domains.get(id)?.endpoints.add(endpoint);
    }
  }

  private leave(endpoint: number): void {
    const id = this.attached.get(endpoint);
    const domain = id === undefined ? undefined : this.domains.get(id);
    if (id === undefined || !domain) return;
    this.attached.delete(endpoint);
    domain.endpoints.delete(endpoint);
    if (domain.endpoints.size > 0) return;
    // The last endpoint takes the domain with it; a driver replays its mappings (5.13.6.4).
    this.mappingCount -= domain.mappings.length;
    this.domains.delete(id);
  }
}

export const isFault = (translation: Translation): translation is IommuFault =>
  translation !== 'bypass' && 'reason' in translation;

/** Index of the first mapping that does not end before `address`. */
function firstEndingFrom(mappings: readonly Mapping[], address: number): number {
  let low = 0;
  let high = mappings.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mappings[middle].end < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
