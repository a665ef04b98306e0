/// The subjects that a credential is limited to: a tracking session's, or those of a key that serves one brand of several.

/// A list of subjects, each named or, with a `*` at its end, a prefix of names such as `order:east-*`.
public struct SubjectScope: Sendable, Equatable {
    /// The names as they were given.
    public let names: [String]
    private let subjects: [Subject]
    /// Names without their `*`.
    private let prefixes: [String]

    /// Nil where one of the names is neither a subject nor a prefix of some.
    public init?(_ names: [String]) {
        var subjects: [Subject] = []
        var prefixes: [String] = []
        for name in names {
            if name.hasSuffix("*") {
                let prefix = String(name.dropLast())
                let known = ["driver:", "order:", "group:", "area:"]
                // Whatever may follow, what is there already must be able to begin a name.
                let canBegin = known.contains { prefix == $0 } || Subject(prefix) != nil
                guard canBegin, !(prefix.hasPrefix("area:") && prefix != "area:") else { return nil }
                prefixes.append(prefix)
            } else {
                guard let subject = Subject(name) else { return nil }
                subjects.append(subject)
            }
        }
        self.names = names
        self.subjects = subjects
        self.prefixes = prefixes
    }

    /// Whether the subject itself is named, or an area within one that is. Members of a named group or order are within
    /// the scope too; who they are is not known here: see `containers`.
    public func names(_ subject: Subject) -> Bool {
        if subjects.contains(subject) { return true }
        if !prefixes.isEmpty {
            let name = subject.name
            if prefixes.contains(where: { name.hasPrefix($0) }) { return true }
        }
        guard case .area(let area) = subject else { return false }
        return subjects.contains { if case .area(let own) = $0 { own.box.contains(area.box) } else { false } }
    }

    /// The orders and groups that are named: whoever carries or belongs to one of them is within the scope.
    public var containers: [Subject] {
        subjects.filter {
            switch $0 {
            case .order, .group: true
            case .driver, .area: false
            }
        }
    }

    /// The areas that are named.
    public var areas: [Area] {
        subjects.compactMap { if case .area(let area) = $0 { area } else { nil } }
    }
}
