/// What a statement returned.
import CPostgres

/// Rows of text values, as libpq holds them. One thread; `PQclear` at the end.
public final class PostgresRows {
    private let result: OpaquePointer

    /// Takes over a result that is not an error.
    init(_ result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(result)
    }

    /// Rows returned.
    public var count: Int { Int(PQntuples(result)) }

    /// The names of the columns, in order.
    public var columns: [String] {
        (0..<PQnfields(result)).map { column in PQfname(result, column).map { String(cString: $0) } ?? "" }
    }

    /// Rows inserted, updated, deleted or copied, as the server counts them; 0 for other commands.
    public var affected: Int {
        var value = 0
        var digits = UnsafePointer(PQcmdTuples(result)!)
        while digits.pointee != 0 {
            value = value * 10 + Int(digits.pointee) - Int(UInt8(ascii: "0"))
            digits += 1
        }
        return value
    }

    /// The command's tag, such as `COMMIT`: after a failed statement the answer to COMMIT is `ROLLBACK`.
    var tag: String { String(cString: PQcmdStatus(result)) }

    /// The value as Postgres prints it, or nil for NULL. `row` and `column` count from 0 and must exist.
    public func text(_ row: Int, _ column: Int) -> String? {
        precondition(row < count && column < Int(PQnfields(result)), "no row \(row), column \(column) in this result")
        if PQgetisnull(result, Int32(row), Int32(column)) != 0 { return nil }
        return String(cString: PQgetvalue(result, Int32(row), Int32(column)))
    }

    /// Calls `body` with the value's bytes, as text or in the type's binary form, whichever was asked for; nil for NULL.
    public func withBytes<Result>(_ row: Int, _ column: Int, _ body: (Span<UInt8>) -> Result) -> Result? {
        precondition(row < count && column < Int(PQnfields(result)), "no row \(row), column \(column) in this result")
        if PQgetisnull(result, Int32(row), Int32(column)) != 0 { return nil }
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(result, Int32(row), Int32(column)),
            count: Int(PQgetlength(result, Int32(row), Int32(column))))
        return body(bytes.bindMemory(to: UInt8.self).span)
    }

    /// The binary form of a number, which is big-endian: its bits. Nil for NULL and for another length.
    public func bits<Bits: FixedWidthInteger & UnsignedInteger>(
        _ row: Int, _ column: Int, as type: Bits.Type
    ) -> Bits? {
        withBytes(row, column) { bytes -> Bits? in
            guard bytes.count * 8 == Bits.bitWidth else { return nil }
            var bits: Bits = 0
            for index in bytes.indices { bits = bits << 8 | Bits(bytes[index]) }
            return bits
        } ?? nil
    }

    /// The value as a number, or nil for NULL and what is not a whole number.
    public func integer(_ row: Int, _ column: Int) -> Int64? {
        text(row, column).flatMap { Int64($0) }
    }

    /// The value as a truth value, or nil for NULL.
    public func flag(_ row: Int, _ column: Int) -> Bool? {
        text(row, column).map { $0 == "t" }
    }
}
