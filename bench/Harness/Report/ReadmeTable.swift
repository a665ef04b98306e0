/// The part of README that holds the figures: made from a run's records, the same text from the same records.
import Glibc

struct ReadmeTable {
    static let begin = "<!-- figures: begin -->"
    static let end = "<!-- figures: end -->"

    let records: [Record]

    /// What stands between the markers.
    var text: String {
        let lines = GoalLine.all(of: records, isWhole: false)
        var text = heading
        text += "| what | goal | measured | floor | ratio | |\n| --- | --- | --- | --- | --- | --- |\n"
        for line in lines {
            let verdict = line.figure?.isReached == true ? "reached" : "not yet"
            let cells = [
                line.goal.text, line.limit, line.measured, line.floor, line.ratio,
                verdict + (line.figure?.isVoid == true ? " (void: the generator was the limit)" : ""),
            ]
            text += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
        }
        let missed = lines.filter { !$0.remarks.isEmpty }
        if !missed.isEmpty {
            text += "\nNot yet reached, with where the time goes and what would be next:\n\n"
            for line in missed { text += "- \(line.goal.text): \(line.remarks.joined(separator: "; "))\n" }
        }
        return text + ReadmeDetails(records: records).text
    }

    private var heading: String {
        for case .machine(let machine) in records {
            let revision = machine.revision.map { " at revision \($0)" } ?? ""
            return """
                Taken on \(machine.date) by `\(machine.command)`\(revision): \(machine.cores) cores \
                (\(machine.processor)), \(decimals(machine.memoryGB, 0)) GB, \(machine.kernel).\n\n
                """
        }
        return ""
    }

    /// `document` with the part between its markers replaced.
    func inserted(into document: String) throws -> String {
        guard let first = document.range(of: Self.begin),
            let last = document.range(of: Self.end, from: first.upperBound)
        else {
            throw BenchError("there is no \(Self.begin) with \(Self.end) behind it; put both on lines of their own")
        }
        return document[..<first.upperBound] + "\n" + text + document[last.lowerBound...]
    }

    /// The same of the file at `path`.
    func inserted(intoFile path: String) throws -> String {
        let document = ProcFile.read(path)
        guard !document.isEmpty else { throw BenchError("cannot read \(path), or it is empty") }
        do {
            return try inserted(into: document)
        } catch { throw BenchError("\(path): \(error)") }
    }

    /// Rewrites the part of the file at `path`.
    func write(to path: String) throws { try TextFile.write(inserted(intoFile: path), to: path) }
}

extension String {
    /// Where `text` first stands, from `start` on.
    fileprivate func range(of text: String, from start: Index? = nil) -> Range<Index>? {
        self[(start ?? startIndex)...].firstRange(of: text)
    }
}

/// Whole files of text.
enum TextFile {
    static func write(_ text: String, to path: String) throws(BenchError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw BenchError("cannot write \(path): \(Socket.reason())") }
        defer { close(file) }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.unsafelyUnwrapped + written, $0.count - written)
            }
            guard count > 0 else { throw BenchError("cannot write \(path): \(Socket.reason())") }
            written += count
        }
    }
}
