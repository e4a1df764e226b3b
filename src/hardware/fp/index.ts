export {
  add,
  divide,
  extreme,
  multiply,
  multiplyAdd,
  multiplyAddHalf,
  reciprocalRootStep,
  reciprocalStep,
  squareRoot,
  subtract,
} from './arithmetic.ts';
export { compare, equal, greater, greaterOrEqual } from './compare.ts';
export { convert, fromFixed, roundToIntegral, roundToWidth, toFixed, toInt32 } from './convert.ts';
export {
  reciprocalEstimate,
  reciprocalExponent,
  reciprocalRootEstimate,
  reciprocalRootTable,
  reciprocalTable,
} from './estimate.ts';
export {
  absolute,
  DOUBLE,
  Environment,
  type Format,
  FPCR,
  FPSR,
  formatOf,
  HALF,
  negate,
  ROUND,
  type Rounding,
  SINGLE,
} from './format.ts';
