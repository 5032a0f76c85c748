import { describe, expect, it } from 'vitest';
import { FileEnd, type OnGrowth } from '../../src/sftp/download/file-end.ts';

const whole = (onGrowth: OnGrowth = 'fail') => new FileEnd(0, undefined, onGrowth);

describe('FileEnd', () => {
  it('is whole when all has come and the server finds the end where it was', () => {
    const end = whole();
    end.sized(100);
    expect(end.end()).toBe(100);
    end.data(0, 100);
    expect([end.isWhole(100), end.probeAt()]).toEqual([false, 100]);
    end.eof(100);
    expect([end.isWhole(99), end.isWhole(100), end.fault]).toEqual([false, true, null]);
  });

  it('reads up to the size that STAT said until FSTAT has answered', () => {
    const end = whole();
    expect([end.end(70), end.probeAt(70), end.end()]).toEqual([70, 70, Number.POSITIVE_INFINITY]);
    end.sized(100);
    expect([end.end(70), end.probeAt(70)]).toEqual([100, 100]);
  });

  it('a file that ends early has become shorter', () => {
    const end = whole();
    end.eof(60);
    expect(end.fault).toBeNull();
    end.sized(100);
    expect(end.fault).toBe('the file became shorter while it was read');
  });

  it('a file that has data beyond its end has become longer', () => {
    const end = whole();
    end.sized(100);
    end.data(100, 1);
    expect(end.fault).toBe('the file became longer while it was read');
  });

  it('which is none of the business of a reader that stops at the size', () => {
    const end = whole('stop');
    end.sized(100);
    end.data(0, 120);
    expect([end.fault, end.end(), end.probeAt(), end.isWhole(100)]).toEqual([null, 100, null, true]);
  });

  it.each([0, undefined])('a file of size %s is read up to EOF', (size) => {
    const end = whole();
    end.sized(size);
    expect([end.end(), end.probeAt(), end.isWhole(0)]).toEqual([Number.POSITIVE_INFINITY, null, false]);
    end.data(0, 50);
    end.eof(70);
    expect(end.isWhole(50)).toBe(false);
    end.eof(50);
    expect([end.end(), end.isWhole(50), end.fault]).toEqual([50, true, null]);
  });

  it('data beyond an EOF means that the file changed', () => {
    const end = whole();
    end.sized(0);
    end.eof(50);
    end.data(60, 10);
    expect(end.fault).toBe('the file changed while it was read');
  });

  it('a range ends where it ends, and the rest of the file may change', () => {
    const end = new FileEnd(10, 20, 'fail');
    end.sized(100);
    expect([end.end(), end.probeAt(), end.isWhole(30), end.fault]).toEqual([30, null, true, null]);
  });

  it('a range beyond the end stops at the end', () => {
    const end = new FileEnd(90, 20, 'fail');
    end.sized(100);
    end.eof(100);
    expect([end.end(), end.isWhole(100), end.fault]).toEqual([100, true, null]);
  });

  it('a range that is empty is whole as soon as the file is open', () => {
    const end = new FileEnd(10, 0, 'fail');
    expect(end.isWhole(10)).toBe(false);
    end.sized(100);
    expect(end.isWhole(10)).toBe(true);
  });
});
