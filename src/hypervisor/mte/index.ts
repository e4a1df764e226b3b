export { COPY_TAGS_FROM_GUEST, type CopyTags, copyTags, TAGS_PER_PAGE, type TaggedVm } from './copy.ts';
export { ensureTagged } from './init.ts';
