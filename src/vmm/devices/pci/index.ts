// The public face of the PCI host bridge and of the functions that plug into it.

export { COMMAND, PCI } from './config-space.ts';
export {
  type Bar,
  type BarRegisters,
  type EndpointOptions,
  PciEndpoint,
  type SavedEndpoint,
} from './endpoint.ts';
export { PciHost, type PciHostOptions, type PciWindow, type SavedPciHost } from './host.ts';
