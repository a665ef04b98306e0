/// One walk over a phone app's JSON document: what every such decoder does around its own part.

/// The walk.
enum PhoneDocument {
    /// Runs `body` over the document, which must end where `body` ends. On an error `batch` holds nothing. More than
    /// `maximumPings` in the end are refused whole.
    static func read<Result>(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int,
        _ body: (inout JSONScanner, inout PingBatch) throws(JSONError) -> Result
    ) throws(PingDecodingError) -> Result {
        batch.removeAll()
        var scanner = JSONScanner()
        do {
            let result = try body(&scanner, &batch)
            try scanner.expectEnd(input)
            if batch.pings.count <= maximumPings { return result }
        } catch {
            batch.removeAll()
            switch error {
            case .syntax(let offset): throw .notJSON(offset: offset)
            case .tooDeep(let offset): throw .tooDeep(offset: offset)
            }
        }
        batch.removeAll()
        throw .tooMany(limit: maximumPings)
    }
}
