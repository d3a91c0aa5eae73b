import { ApiProperty } from '@nestjs/swagger';
import { SessionRecord } from './session-record.dto.js';

/** Records of a session, oldest first, and how complete the view is. */
export class SessionTranscriptPage {
  @ApiProperty({ description: 'The records, in the order of their first events.', type: [SessionRecord] })
  data!: SessionRecord[];

  @ApiProperty({ description: 'Where the next page begins; null at the end.', type: String, nullable: true })
  next_cursor!: string | null;

  @ApiProperty({
    description:
      'All events below this offset of the log are in the records, except those of items that are still open: a record ' +
      'appears when it is finished, so while a turn is live, one with an earlier `record_id` may appear later.',
    example: '0000000000000000_0000000000000042',
  })
  projected_offset!: string;

  @ApiProperty({
    description: 'End of the log. The transcript is complete when `projected_offset` equals it.',
    example: '0000000000000000_0000000000000042',
  })
  tail_offset!: string;
}
