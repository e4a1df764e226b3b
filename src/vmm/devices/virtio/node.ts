// The public face of the backends that only Node can give.

export { type FileBlockOptions, fileBlock } from './blk/file.ts';
export { type StreamNetOptions, streamNet } from './net/stream.ts';
export { type FolderOptions, sharedFolder } from './p9/folder.ts';
export { type UnixVsockOptions, unixVsock } from './vsock/unix.ts';
