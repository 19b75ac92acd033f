import { describeCircles } from './circle-conformance.ts';
import { describeIndexAgainstModel } from './index-model-conformance.ts';
import { describeSites } from './sites-conformance.ts';
import { openSqliteIndex } from './support/open-sqlite-index.ts';

describeIndexAgainstModel('the SQLite index', openSqliteIndex);
describeCircles('the SQLite index', openSqliteIndex);
describeSites('the SQLite index', openSqliteIndex);
