// All pages, in the order of the navigation.
import type { FunctionComponent } from 'preact';
import type { IconName } from '../parts/icon.tsx';
import { CertificatesPage } from './certificates.tsx';
import { ClusterPage } from './cluster.tsx';
import { EventsPage } from './events.tsx';
import { ExplainPage } from './explain.tsx';
import { OverviewPage } from './overview.tsx';
import { PluginsPage } from './plugins.tsx';
import { RequestsPage } from './requests.tsx';
import { RoutesPage } from './routes.tsx';
import { ServersPage } from './servers.tsx';

export interface PageEntry {
  readonly name: IconName;
  readonly title: string;
  readonly Page: FunctionComponent;
}

export const pages: readonly PageEntry[] = [
  { name: 'overview', title: 'Overview', Page: OverviewPage },
  { name: 'servers', title: 'Servers', Page: ServersPage },
  { name: 'routes', title: 'Routes', Page: RoutesPage },
  { name: 'requests', title: 'Requests', Page: RequestsPage },
  { name: 'certificates', title: 'Certificates', Page: CertificatesPage },
  { name: 'cluster', title: 'Cluster', Page: ClusterPage },
  { name: 'events', title: 'Events', Page: EventsPage },
  { name: 'explain', title: 'Explain', Page: ExplainPage },
  { name: 'plugins', title: 'Plugins', Page: PluginsPage },
];
