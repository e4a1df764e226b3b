// Run once by the build: generates what every start of the program would generate otherwise.

import { Host, PhysicalMemory, Vm } from '../hypervisor/index.ts';
import { writeInterpreter } from './interpreter-file.ts';

const host = new Host(new PhysicalMemory({ frames: 64 }));
new Vm(host, host.createAddressSpace(), {
  vcpus: 1,
  gic: 3,
  clock: { now: () => 0, virtual: true },
}).dispose();
writeInterpreter();
