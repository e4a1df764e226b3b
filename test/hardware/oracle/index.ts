export * from './case.ts';
export { oracleAvailable, runOracle } from './client.ts';
export { compare, compareWith, type Failure } from './compare.ts';
export { compareWithGolden, type Golden, readGolden, record, recording } from './golden.ts';
