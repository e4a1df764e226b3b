export { explainOverQmp, explainPage, type FormatOptions, formatPage } from './explain.ts';
export { askQmp, QmpClientError, type QmpEndpoint } from './qmp-client.ts';
