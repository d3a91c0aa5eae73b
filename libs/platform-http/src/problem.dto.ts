import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** One thing that is wrong with a request. */
export class ProblemError {
  @ApiProperty({ description: 'JSON Pointer (RFC 6901) to the part that is wrong.', example: '/labels/team' })
  pointer!: string;

  @ApiProperty({ description: 'What is wrong with it.' })
  detail!: string;
}

/** The body of every error response: problem details (RFC 9457). Some codes add members of their own. */
export class Problem {
  @ApiProperty({ description: 'URI that names the code.', example: 'urn:holdfast:problem:session_in_use' })
  type!: string;

  @ApiProperty({ description: 'Short text, the same for every occurrence of the code.' })
  title!: string;

  @ApiProperty({ description: 'The HTTP status, repeated.', example: 409 })
  status!: number;

  @ApiProperty({ description: 'What happened this time, and what to do about it.' })
  detail!: string;

  @ApiProperty({ description: 'The request id, as in the X-Request-Id header and in the server logs.' })
  instance!: string;

  @ApiProperty({ description: 'Stable code to branch on.', example: 'session_in_use' })
  code!: string;

  @ApiPropertyOptional({ description: 'With request_invalid: everything that is wrong.', type: [ProblemError] })
  errors?: ProblemError[];
}
