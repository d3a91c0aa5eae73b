/** Where root keeps what `nobody` must reach. Not a temporary folder: those are emptied, and others can write there. */
export const SHARED_FOLDER = '/var/lib/holdfast';
