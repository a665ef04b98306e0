/// The names that a JSON format gives its members, found without an allocation a member.

/// The cases of `Name` by their raw values, which are the names on the wire.
struct MemberNames<Name: RawRepresentable & CaseIterable & Sendable>: Sendable where Name.RawValue == String {
    private let known: [(text: ShortText, name: Name)]

    /// All of `Name`'s cases. A name of more than 64 bytes is the program's own mistake.
    init() {
        known = Name.allCases.map { name in
            guard let text = ShortText(name.rawValue) else { preconditionFailure("\(name.rawValue) is too long") }
            return (text, name)
        }
    }

    /// The case of that name; nil where the format has none.
    func name(_ text: ShortText) -> Name? {
        for index in known.indices where known[index].text == text { return known[index].name }
        return nil
    }
}
