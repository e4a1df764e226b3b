// The IOMMU device (virtio 1.3, 5.13): the guest's own IOMMU for the devices that the board puts behind it. It
// translates for them (port() and msi()) and decides nothing about memory: the ports below do. Features: INPUT_RANGE,
// DOMAIN_RANGE, MAP_UNMAP, PROBE, MMIO, BYPASS_CONFIG.

import type { MemoryPort } from '../../../../hypervisor/index.ts';
import type { AccessSize, MsiSink } from '../../device.ts';
import type { DeviceEnv, Session, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import { RefusalLog } from '../refusals.ts';
import { DOMAIN_END, Domains, GRANULE, INPUT_END, isFault, MAP_F } from './domains.ts';
import { EndpointPort, type ReportFault } from './port.ts';
import { IommuQueues, type MsiWindow, PROBE_BYTES } from './requests.ts';
import type { IommuState, SavedIommu } from './state.ts';

/** Feature bits (virtio 1.3, 5.13.3). */
export const IOMMU_F = {
  INPUT_RANGE: bit(0),
  DOMAIN_RANGE: bit(1),
  MAP_UNMAP: bit(2),
  PROBE: bit(4),
  MMIO: bit(5),
  BYPASS_CONFIG: bit(6),
} as const;

const BYPASS_OFFSET = 0x24;

export interface IommuOptions {
  /** Default: 'virtio-iommu'. */
  readonly name?: string;
  /** Whether devices reach memory before a driver attaches them; default: true, as firmware expects it. */
  readonly bootBypass?: boolean;
  /** Where messages are written untranslated; without it Linux maps the doorbell like memory. */
  readonly msiWindow?: MsiWindow;
}

export class VirtioIommu implements VirtioDevice {
  readonly name: string;
  readonly type = 23;
  readonly pciClass = 0x00ff00;
  readonly features =
    IOMMU_F.INPUT_RANGE |
    IOMMU_F.DOMAIN_RANGE |
    IOMMU_F.MAP_UNMAP |
    IOMMU_F.PROBE |
    IOMMU_F.MMIO |
    IOMMU_F.BYPASS_CONFIG;
  readonly queueSizes = [256, 64];
  readonly config: Uint8Array;
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly domains: Domains;
  private readonly bootBypass: boolean;
  private readonly msiWindow: MsiWindow | undefined;
  private state: IommuState = { kind: 'inactive' };

  constructor(options: IommuOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-iommu';
    this.env = env;
    this.refusals = new RefusalLog(env.log, this.name);
    this.bootBypass = options.bootBypass ?? true;
    this.msiWindow = options.msiWindow;
    this.domains = new Domains(this.bootBypass);
    this.config = initialConfig(this.bootBypass);
  }

  /** `memory` as endpoint `endpoint` reaches it; on PCI an endpoint is a requester id. */
  port(endpoint: number, memory: MemoryPort): MemoryPort {
    this.domains.addEndpoint(endpoint);
    return new EndpointPort(endpoint, this.domains, memory, this.report);
  }

  /** `sink` with the messages of endpoints translated; those of anybody else pass. */
  msi(sink: MsiSink): MsiSink {
    return {
      send: (requesterId, address, data) => {
        const target = this.translateMessage(requesterId, address);
        if (target !== undefined) sink.send(requesterId, target, data);
      },
    };
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset === BYPASS_OFFSET && size === 1 && value <= 1) this.setBypass(value === 1);
    else
      this.env.log(
        'warn',
        this.name,
        `write of ${value} to configuration at 0x${offset.toString(16)} ignored`,
      );
  }

  activate({ features, queues }: Session): void {
    const negotiated = {
      attachBypass: (features & IOMMU_F.BYPASS_CONFIG) !== 0n,
      mmio: (features & IOMMU_F.MMIO) !== 0n,
    };
    this.state = {
      kind: 'active',
      queues: new IommuQueues(queues, this.domains, this.msiWindow, negotiated, this.refusals),
    };
  }

  /** A driver's reset drops all domains but leaves config.bypass, so that nothing opens up between two drivers. */
  deactivate(): void {
    this.domains.clear();
    this.state = { kind: 'inactive' };
  }

  powerOn(): void {
    this.setBypass(this.bootBypass);
  }

  notify(queue: number): void {
    if (this.state.kind === 'active' && queue === 0) this.state.queues.serve();
  }

  save(): SavedIommu {
    return {
      kind: 'virtio-iommu',
      version: 1,
      bypass: this.domains.bypassUnattached,
      domains: this.domains.save(),
    };
  }

  restore(state: SavedIommu): void {
    checkState(state, 'virtio-iommu', 1);
    this.setBypass(state.bypass);
    this.domains.restore(state.domains);
  }

  private readonly report: ReportFault = (endpoint, address, access, fault) => {
    if (this.state.kind === 'active') this.state.queues.fault(endpoint, address, access, fault);
  };

  private translateMessage(endpoint: number, address: number): number | undefined {
    const window = this.msiWindow;
    if (!this.domains.knows(endpoint) || (window && address >= window.start && address <= window.end))
      return address;
    const found = this.domains.translate(endpoint, address, MAP_F.WRITE);
    if (found === 'bypass') return address;
    if (!isFault(found)) return found.physical + (address - found.start);
    this.refusals.note('message', { rule: 'contained', reason: found.explanation, address });
    this.report(endpoint, address, MAP_F.WRITE, found);
    return undefined;
  }

  private setBypass(on: boolean): void {
    this.domains.bypassUnattached = on;
    this.config[BYPASS_OFFSET] = on ? 1 : 0;
  }
}

/** struct virtio_iommu_config (virtio 1.3, 5.13.4). */
function initialConfig(bypass: boolean): Uint8Array {
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x00, 0x1_0000_0000_0000_0000n - BigInt(GRANULE), true);
  view.setBigUint64(0x10, BigInt(INPUT_END), true);
  view.setUint32(0x1c, DOMAIN_END, true);
  view.setUint32(0x20, PROBE_BYTES, true);
  view.setUint8(BYPASS_OFFSET, bypass ? 1 : 0);
  return bytes;
}
