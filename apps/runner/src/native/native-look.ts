import { NativeCapture, type NativeChange } from '@holdfast/harnesses';
import type { NativeHome } from './native-home.js';
import type { ConversationSave, StoredConversation } from './native-store.js';

type SaveTerms = Pick<ConversationSave, 'point' | 'becomes_main'>;

/** A conversation in a home beside what is stored of it. */
export class NativeLook {
  private readonly capture: NativeCapture;
  /** When the conversation began, and in which version of the program; read once. */
  private description: Promise<Pick<ConversationSave, 'started_at' | 'harness_version'>> | undefined;

  constructor(
    private readonly home: NativeHome,
    readonly nativeId: string,
    private base: StoredConversation | undefined,
  ) {
    this.capture = new NativeCapture(home.harness, home.place, nativeId, base?.files ?? []);
  }

  changes(): Promise<NativeChange[]> {
    return this.capture.changes();
  }

  /** The save that these changes make on top of what is stored. */
  async save(terms: SaveTerms): Promise<ConversationSave> {
    const { harness, place } = this.home;
    this.description ??= this.describe();
    const description = await this.description;
    const origin = await harness.origin(place);
    return { harness: harness.name, native_id: this.nativeId, origin, ...description, base: this.base, ...terms };
  }

  saved(base: StoredConversation): void {
    this.base = base;
    this.capture.accepted(base.files);
  }

  private async describe() {
    const { harness, place } = this.home;
    const [main] = await harness.locate(place, this.nativeId);
    if (!main) return { started_at: this.base?.started_at ?? null, harness_version: null };
    return await harness.describe(main.path);
  }
}
