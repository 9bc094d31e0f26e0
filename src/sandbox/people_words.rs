//! The words that the sandbox's people, companies and enquiries are made of, and the lists of values that both systems know.

/// A city: name, county, letters of its postcodes, and the part of a phone number that Ofcom keeps for fiction.
pub type City = (&'static str, &'static str, &'static str, &'static str);

/// The operator's workspaces.
pub const LOCATIONS: [&str; 8] =
    ["Hub City", "Quayside Works", "Station House", "The Foundry", "Mill Yard", "Castle Court", "Park Row", "Harbour Point"];

/// Where Operate's leads come from.
pub const OPERATE_SOURCES: [&str; 5] = ["Website", "Broker", "Walk-in", "Referral", "Phone enquiry"];

/// What becomes of a lead in Operate, conversion aside.
pub const OPERATE_STATUSES: [&str; 6] = ["New", "Contacted", "Viewing", "Proposal", "Won", "Lost"];

/// The same source in Operate and in Salesforce. A `Referral` has no name of its own in Salesforce.
pub const SOURCE_PAIRS: [(&str, &str); 4] =
    [("Website", "Web"), ("Broker", "Partner Referral"), ("Phone enquiry", "Phone Inquiry"), ("Walk-in", "Other")];

/// The same status in Operate and in Salesforce.
pub const STATUS_PAIRS: [(&str, &str); 3] =
    [("New", "Open - Not Contacted"), ("Contacted", "Working - Contacted"), ("Lost", "Closed - Not Converted")];

/// The operator's staff, who own leads in Operate.
pub const STAFF: [&str; 6] = ["Amara Okafor", "Ben Whitlock", "Carys Pugh", "Dilip Rao", "Eilidh Munro", "Frank Tully"];

/// Why a lead was rejected.
pub const REJECTION_REASONS: [&str; 5] =
    ["Budget too low", "No availability", "Chose a competitor", "Duplicate enquiry", "No reply"];

/// Why a rejection was overturned.
pub const OVERTURN_REASONS: [&str; 3] = ["Enquirer came back", "Space became available", "Rejected by mistake"];

pub const CITIES: [City; 24] = [
    ("London", "Greater London", "EC", "020 7946 0"),
    ("London", "Greater London", "SE", "020 7946 0"),
    ("London", "Greater London", "W", "020 7946 0"),
    ("London", "Greater London", "N", "020 7946 0"),
    ("Leeds", "West Yorkshire", "LS", "0113 496 0"),
    ("Bradford", "West Yorkshire", "BD", "01632 960"),
    ("Sheffield", "South Yorkshire", "S", "0114 496 0"),
    ("Nottingham", "Nottinghamshire", "NG", "0115 496 0"),
    ("Leicester", "Leicestershire", "LE", "0116 496 0"),
    ("Bristol", "Bristol", "BS", "0117 496 0"),
    ("Reading", "Berkshire", "RG", "0118 496 0"),
    ("Birmingham", "West Midlands", "B", "0121 496 0"),
    ("Coventry", "West Midlands", "CV", "01632 960"),
    ("Edinburgh", "Midlothian", "EH", "0131 496 0"),
    ("Glasgow", "Lanarkshire", "G", "0141 496 0"),
    ("Liverpool", "Merseyside", "L", "0151 496 0"),
    ("Manchester", "Greater Manchester", "M", "0161 496 0"),
    ("Newcastle upon Tyne", "Tyne and Wear", "NE", "0191 498 0"),
    ("Cardiff", "South Glamorgan", "CF", "029 2018 0"),
    ("Belfast", "County Antrim", "BT", "028 9649 6"),
    ("Brighton", "East Sussex", "BN", "01632 960"),
    ("Cambridge", "Cambridgeshire", "CB", "01632 960"),
    ("Oxford", "Oxfordshire", "OX", "01632 960"),
    ("York", "North Yorkshire", "YO", "01632 960"),
];

#[rustfmt::skip]
pub const FIRST_NAMES: [&str; 80] = [
    "Oliver", "Amelia", "George", "Isla", "Noah", "Ava", "Arthur", "Ivy", "Muhammad", "Freya", "Leo", "Lily", "Harry", "Florence",
    "Oscar", "Mia", "Archie", "Willow", "Jack", "Rosie", "Henry", "Sophia", "Charlie", "Isabella", "Theo", "Grace", "Freddie",
    "Daisy", "Alfie", "Sienna", "Ellis", "Zoë", "Renée", "Chloé", "André", "José", "Siân", "Seán", "Niamh", "Aoife", "Róisín",
    "Ciarán", "Björn", "Søren", "Łukasz", "Zofia", "Jürgen", "Inès", "Rhys", "Megan", "Gethin", "Elin", "Hamish", "Catriona",
    "Priya", "Arjun", "Aisha", "Imran", "Fatima", "Yusuf", "Chidi", "Ngozi", "Kwame", "Abena", "Wei", "Mei-Ling", "Hiroshi",
    "Yuki", "Anna-Maria", "Jean-Luc", "Tomás", "Lucía", "Mateusz", "Agnieszka", "Ioana", "Andrei", "Dimitra", "Nikos", "Leila", "D'Arcy",
];

#[rustfmt::skip]
pub const LAST_NAMES: [&str; 90] = [
    "Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel", "Robinson", "Wright", "Thompson",
    "Evans", "Walker", "White", "Roberts", "Green", "Hall", "Wood", "Jackson", "Clarke", "Khan", "Lewis", "Turner", "Harris",
    "Cooper", "Ward", "Moore", "Begum", "Morgan", "Baker", "Allen", "Hughes", "Shah", "Campbell", "Stewart", "Ali", "MacDonald",
    "McKenzie", "Fraser", "Sinclair", "Drummond", "O'Brien", "O'Connor", "O'Neill", "O'Sullivan", "D'Souza", "D'Angelo", "Müller",
    "Fernández", "García", "Núñez", "Gonçalves", "Šimić", "Kovač", "Nowak", "Wójcik", "Lindström", "Åkesson", "Nørgaard", "Dubois",
    "Lefèvre", "Beaumont-Hale", "Ashby-Cole", "Okonkwo", "Adeyemi", "Mensah", "Boateng", "Chowdhury", "Rahman", "Iyer", "Nair",
    "Singh", "Kaur", "Chen", "Wong", "Nakamura", "Tanaka", "Papadopoulos", "Ionescu", "Popescu", "Van der Berg", "De Vries", "Rees",
    "Llewellyn", "Pritchard", "Penhaligon", "Trevithick", "Featherstone", "Hargreaves",
];

#[rustfmt::skip]
pub const STEMS: [&str; 64] = [
    "Bright", "Copper", "North", "Silver", "Oak", "Lantern", "River", "Stone", "Blue", "Red", "Amber", "Iron", "Willow", "Fox",
    "Raven", "Harbour", "Summit", "Beacon", "Clover", "Granite", "Maple", "Heather", "Falcon", "Otter", "Kestrel", "Juniper",
    "Cedar", "Pebble", "Meadow", "Thistle", "Ember", "Slate", "Marble", "Orchard", "Pine", "Rowan", "Sable", "Tide", "Velvet",
    "Winter", "Summer", "Hazel", "Ivory", "Jade", "Linden", "Moss", "Opal", "Quartz", "Robin", "Saffron", "Swift", "Thorn", "Umber",
    "Violet", "Wren", "Yarrow", "Acorn", "Birch", "Cobalt", "Dune", "Elm", "Fern", "Gorse", "Holly",
];

#[rustfmt::skip]
pub const ENDINGS: [&str; 40] = [
    "field", "bridge", "gate", "light", "stone", "wood", "water", "house", "well", "mark", "point", "way", "wick", "ton", "ford",
    "ley", "mere", "brook", "cliff", "crest", "dale", "fell", "garth", "hill", "land", "lock", "moor", "path", "reach", "ridge",
    "side", "spring", "stead", "thorpe", "vale", "view", "wharf", "wold", "worth", "yard",
];

#[rustfmt::skip]
pub const TRADES: [&str; 48] = [
    "Analytics", "Architects", "Accountants", "Advisory", "Animation", "Biotech", "Branding", "Capital", "Catering", "Charity",
    "Consulting", "Creative", "Cycles", "Data", "Dental", "Design", "Digital", "Editions", "Electronics", "Energy", "Engineering",
    "Events", "Films", "Finance", "Foods", "Games", "Insurance", "Interiors", "Labs", "Law", "Learning", "Logistics", "Marketing",
    "Media", "Mobility", "Music", "Partners", "Pharma", "Planning", "Press", "Property", "Recruitment", "Research", "Robotics",
    "Software", "Studios", "Surveyors", "Travel",
];

pub const COMPANY_KINDS: [&str; 8] = [" Ltd", " Ltd", " Limited", " LLP", " plc", " CIC", "", ""];

#[rustfmt::skip]
pub const JOB_TITLES: [&str; 24] = [
    "Office Manager", "Founder", "Co-founder", "Managing Director", "Operations Director", "Head of People", "Facilities Manager",
    "Chief Executive", "Finance Director", "Executive Assistant", "Head of Operations", "Partner", "Practice Manager",
    "Chief Operating Officer", "Workplace Lead", "Team Lead", "Director", "HR Manager", "Studio Manager", "Regional Manager",
    "Business Development Manager", "Project Manager", "Owner", "Company Secretary",
];

#[rustfmt::skip]
pub const STREETS: [&str; 30] = [
    "High Street", "Station Road", "Church Lane", "Victoria Street", "King Street", "Queen's Road", "Mill Lane", "Market Place",
    "Bridge Street", "Canal Walk", "Albert Road", "George Street", "Park Lane", "Castle Street", "Tannery Row", "St John's Square",
    "Wharf Road", "Chapel Street", "Railway Terrace", "Exchange Street", "Cross Street", "Dock Road", "Foundry Lane", "Corn Hill",
    "Temple Row", "New Street", "Spring Gardens", "Union Street", "Bath Row", "Princes Avenue",
];

#[rustfmt::skip]
pub const PLACES_WANTED: [&str; 14] = [
    "near the station", "on a quiet floor", "with a window", "close to the lifts", "with its own meeting room", "on the ground floor",
    "with parking for two", "next to the kitchen", "with step-free access", "with storage for samples", "facing the courtyard",
    "on one floor", "near a tram stop", "with room to grow",
];

#[rustfmt::skip]
pub const REMARKS: [&str; 16] = [
    "dog friendly", "24/7 access", "flexible on dates", "currently in a café", "lease ends in spring", "needs a fast line for video",
    "call after 3 pm", "prefers e-mail", "wants to see two sites", "team works Tuesday to Thursday", "bicycle storage matters",
    "budget is per month, ex VAT", "moving from a serviced office in Zürich", "asked about the gym", "wants a month's trial first",
    "comparing with \"The Works\"",
];
